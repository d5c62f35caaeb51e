//! Lists of objects that hold such lists, read in one pass. Never repairs: with a text of which
//! anything is wrong it ends in `None`.

use super::scan::Scanner;
use super::{Member, name};
use crate::limits;

/// An object.
#[derive(Default)]
pub(in crate::decode) struct Tree<'a> {
    /// In the sender's order, apart from the list below.
    pub(in crate::decode) members: Vec<Member<'a>>,
    /// The first list of the wanted name.
    pub(in crate::decode) items: Option<Vec<Self>>,
}

/// The objects of a list. `names` are those of the list in each, of the list in each of these, and so
/// on; a list has at most [`limits::EVENTS_PER_REQUEST`].
pub(in crate::decode) fn trees<'a>(text: &'a str, names: &[&str]) -> Option<Vec<Tree<'a>>> {
    let mut scanner = Scanner::new(text);
    let trees = list(&mut scanner, names)?;
    scanner.is_done().then_some(trees)
}

fn list<'a>(scanner: &mut Scanner<'a>, names: &[&str]) -> Option<Vec<Tree<'a>>> {
    scanner.take(b'[')?;
    let mut trees = Vec::new();
    while scanner.next(trees.is_empty(), b']')? {
        if trees.len() == limits::EVENTS_PER_REQUEST {
            return None;
        }
        trees.push(tree(scanner, names)?);
    }
    Some(trees)
}

fn tree<'a>(scanner: &mut Scanner<'a>, names: &[&str]) -> Option<Tree<'a>> {
    scanner.take(b'{')?;
    let mut tree = Tree::default();
    let mut count = 0;
    while scanner.next(count == 0, b'}')? {
        if count == limits::FIELDS_PER_EVENT {
            return None;
        }
        count += 1;
        let name = name(scanner.string()?);
        scanner.take(b':')?;
        let listed = scanner.peek()? == b'[' && tree.items.is_none();
        match names {
            [wanted, below @ ..] if listed && name == *wanted => {
                tree.items = Some(list(scanner, below)?);
            }
            _ => tree.members.push((name, scanner.value()?)),
        }
    }
    Some(tree)
}
