//! The reading of JSON, part by part and in one pass.

use super::*;
use crate::event::Problem;

fn flat(text: &str) -> Flat {
    let mut flat = Flat::default();
    flat.add_text(&mut Budget::default(), "", "", text);
    flat
}

fn pairs(flat: &Flat) -> Vec<(&str, &str)> {
    flat.leaves.iter().map(|l| (l.path.as_str(), l.value.as_str())).collect()
}

fn problems(flat: &Flat) -> Vec<(ProblemCode, &str)> {
    flat.problems.iter().map(|p| (p.code, p.path.as_str())).collect()
}

#[test]
fn leaves_keep_order_repeats_and_exact_numbers() {
    let flat = flat(
        r#"{"z":123456789012345678901234567890,"a":{"b.c":[1.50,"x\né",[true]],"d":{}},
           "z":null,"e":[ ],"s":"","n":-0.0e+5}"#,
    );
    assert_eq!(
        pairs(&flat),
        [
            ("z", "123456789012345678901234567890"),
            ("a.b.c.0", "1.50"),
            ("a.b.c.1", "x\né"),
            ("a.b.c.2.0", "true"),
            ("a.d", "{}"),
            ("z", "null"),
            ("e", "[ ]"),
            ("s", ""),
            ("n", "-0.0e+5"),
        ]
    );
    assert_eq!(problems(&flat), []);
    assert_eq!((flat.leaves[3].key(), flat.leaves[3].text), ("b.c", false));
    assert!(flat.leaves[2].text);
}

#[test]
fn half_a_surrogate_pair_is_shown_as_written_and_named() {
    let flat = flat(r#"{"a":"\ud800x","b":1}"#);
    assert_eq!(pairs(&flat), [("a", r"\ud800x"), ("b", "1")]);
    assert_eq!(problems(&flat), [(ProblemCode::Malformed, "a")]);
}

#[test]
fn depth_is_bounded_and_neighbours_come_out() {
    let nest = |n: usize| format!("{}1{}", "[".repeat(n), "]".repeat(n));
    let fits = flat(&nest(limits::JSON_DEPTH - 1));
    assert_eq!((fits.leaves.len(), fits.problems.len()), (1, 0));
    let over = flat(&nest(limits::JSON_DEPTH));
    assert_eq!((over.leaves.len(), over.problems[0].code), (0, ProblemCode::TooDeep));
    let deep = flat(&format!(r#"{{"a":{},"b":2}}"#, nest(100_000)));
    assert_eq!(pairs(&deep), [("b", "2")]);
    assert_eq!(deep.problems[0].code, ProblemCode::TooDeep);
    assert!(deep.problems[0].path.starts_with("a.0.0"));
}

#[test]
fn fields_are_bounded_and_the_rest_is_named_once() {
    let many = format!("[{}1]", "1,".repeat(limits::FIELDS_PER_EVENT));
    let flat = flat(&format!(r#"{{"a":{many},"b":{many}}}"#));
    assert_eq!(flat.leaves.len(), limits::FIELDS_PER_EVENT);
    assert_eq!(problems(&flat), [(ProblemCode::TooLarge, "")]);
}

#[test]
fn long_values_and_paths_are_cut_at_a_character() {
    let long = "é".repeat(limits::FIELD_VALUE);
    let flat = flat(&format!(r#"{{"a":"{long}","x{long}":{{"y":1}}}}"#));
    assert_eq!(flat.leaves[0].value.len(), limits::FIELD_VALUE);
    assert_eq!(flat.leaves[1].path.len(), limits::FIELD_PATH - 1);
    assert_eq!(problems(&flat)[0], (ProblemCode::TooLarge, "a"));
    assert_eq!(problems(&flat)[1].0, ProblemCode::TooLarge);
}

#[test]
fn the_budget_ends_a_request_of_many_large_events() {
    let mut budget = Budget { work: 100, out: limits::DECODED };
    let mut flat = Flat::default();
    let text = format!("[{}1]", "1,".repeat(30));
    flat.add_text(&mut budget, "a", "", &text);
    flat.add_text(&mut budget, "b", "", &text);
    assert_eq!((flat.leaves.len(), problems(&flat)), (31, vec![(ProblemCode::TooLarge, "")]));
    assert!(!budget.keep(limits::DECODED));
}

/// The leaves, problems and rest of the budget, read part by part or, first, in one pass.
fn read(text: &str, work: usize, sound: bool) -> (Vec<Leaf>, Vec<Problem>, (usize, usize)) {
    let mut budget = Budget { work, out: 4000 };
    let mut flat = Flat::default();
    match sound {
        true => flat.add_text(&mut budget, "p", "k", text),
        false => flat.walk(&mut budget, &mut "p".to_owned(), "k", text, 1),
    }
    (flat.leaves, flat.problems, (budget.work, budget.out))
}

#[test]
fn one_pass_reads_what_many_do() {
    use crate::decode::vectors::{Random, mutate};
    let long =
        format!(r#"{{"l":[{}0],"{}":"{}"}}"#, "1,".repeat(300), "k".repeat(1500), "v".repeat(200));
    let deep = format!("{}{{}}{}", "[".repeat(70), "]".repeat(70));
    let seeds = [
        r#"{"a":{"b.c":[1.50,"x\né",[true]],"d":{}},"z":null,"e":[ ],"s":"","a":[{"q":[[]]}]}"#,
        r#"[{"t":"track"},{"u":"\ud800","v":1}]"#,
        &long,
        &deep,
    ];
    let mut random = Random(0x006a_736f);
    for round in 0..40_000 {
        let mut text = seeds[round % seeds.len()].as_bytes().to_vec();
        if round >= seeds.len() {
            mutate(&mut random, &mut text);
        }
        let Ok(text) = String::from_utf8(text) else { continue };
        let work = [100, 10_000, limits::JSON_WORK][round % 3];
        let (quick, slow) = (read(&text, work, true), read(&text, work, false));
        assert_eq!(quick, slow, "{text}");
    }
}

#[test]
fn text_that_breaks_off_is_read_to_its_end() {
    let whole = r#"{"H":{"a":1},"B":[{"x":"y"},{"z":[1,{"q":2}]}]}"#;
    for end in 0..whole.len() {
        let mut flat = Flat::default();
        flat.add_text(&mut Budget::default(), "", "", &whole[..end]);
        let before = whole[..end].matches(['1', '2']).count();
        // A number at the very end may have further digits.
        assert!(flat.leaves.iter().filter(|l| !l.text).count() + 1 >= before, "{end}");
    }
    let mut flat = Flat::default();
    flat.add_text(&mut Budget::default(), "", "", &whole[..whole.len() - 4]);
    assert_eq!(pairs(&flat), [("H.a", "1"), ("B.0.x", "y"), ("B.1.z.0", "1"), ("B.1.z.1.q", "2")]);
    assert_eq!(problems(&flat)[0], (ProblemCode::Truncated, "B.1.z"));
    assert_eq!(object(r#"{"a":1,"b":"x"#, 9).items.len(), 1);
    assert_eq!(object(r#"{"a":{"#, 9).items, [("a".into(), "{")]);
    assert_eq!(list(r#"[1,{"a"#, 9).items, ["1", r#"{"a"#]);
    assert_eq!(list("[1,2,3", 2).items, ["1", "2"]);
}

#[test]
fn what_came_before_an_error_stays() {
    let cut = items(r#"[{"a":1},2,{"b":"#, 10);
    assert_eq!((cut.items.len(), cut.problem), (2, Some(ProblemCode::Truncated)));
    let bad = items("[1,2,x]", 10);
    assert_eq!((bad.items.len(), bad.problem), (2, Some(ProblemCode::Malformed)));
    let more = items("[1,2,3]", 2);
    assert_eq!((more.items.len(), more.problem), (2, Some(ProblemCode::TooLarge)));
    let tail = members(r#"{"a":1} x"#, 10);
    assert_eq!((tail.items.len(), tail.problem), (1, Some(ProblemCode::Malformed)));
    let none = members("[1]", 10);
    assert_eq!((none.items.len(), none.problem), (0, Some(ProblemCode::Malformed)));
}
