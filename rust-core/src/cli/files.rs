//! Files that people write: read within a bound, and told about in one line when they are wrong.

use super::Failure;
use super::lists::failure;
use crate::policy::Policy;
use crate::service::{ListsError, table};
use crate::signatures::HostTable;
use crate::{limits, lists};
use std::io::Read;
use std::path::{Path, PathBuf};

/// Lists beside the built-in ones.
#[derive(clap::Args, Default)]
pub(crate) struct OwnLists {
    /// A list of hosts of your own; its rows come before the built-in ones
    #[arg(long, value_name = "FILE")]
    signatures: Option<PathBuf>,
    /// Folder of lists that `muzzle lists import` took in
    #[arg(long, value_name = "DIR")]
    lists: Option<PathBuf>,
}

impl OwnLists {
    /// The built-in lists together with these.
    pub(crate) fn table(&self) -> Result<HostTable, Failure> {
        host_table(self.signatures.as_deref(), self.lists.as_deref())
    }
}

/// Reads a file that a person wrote, within [`limits::CONFIG_FILE`].
pub(crate) fn read_text(path: &Path) -> Result<String, Failure> {
    let name = path.display();
    let mut text = String::new();
    let file = std::fs::File::open(path)
        .map_err(|error| Failure::with_code(2, format_args!("{name}: {error}; check the path")))?;
    file.take(limits::CONFIG_FILE + 1).read_to_string(&mut text).map_err(|error| {
        Failure::with_code(2, format_args!("{name}: {error}; it must be UTF-8 text"))
    })?;
    if text.len() as u64 > limits::CONFIG_FILE {
        let most = limits::CONFIG_FILE / (1024 * 1024);
        return Err(Failure::with_code(2, format_args!("{name}: larger than {most} MB")));
    }
    Ok(text)
}

/// The owner's choices in a file; without one, those that block for all.
pub(crate) fn read_policy(path: Option<&Path>) -> Result<Policy, Failure> {
    let Some(path) = path else { return Ok(Policy::default()) };
    let wrong = |error| Failure::new(format_args!("{}: {error}", path.display()));
    Policy::parse(&read_text(path)?).map_err(wrong)
}

/// The built-in lists, that of a file, whose rows come before theirs, and the imported lists of a
/// folder, where they are given.
pub(crate) fn host_table(list: Option<&Path>, folder: Option<&Path>) -> Result<HostTable, Failure> {
    let table = with_own(list)?;
    match folder {
        Some(folder) => Ok(table.with_imported(lists::load(folder).map_err(failure)?)),
        None => Ok(table),
    }
}

fn with_own(list: Option<&Path>) -> Result<HostTable, Failure> {
    let own: Vec<_> = list
        .map(|path| Ok::<_, Failure>((path.display().to_string(), read_text(path)?)))
        .transpose()?
        .into_iter()
        .collect();
    table(&own).map_err(|error| match (error, list) {
        (ListsError::Table(error), Some(path)) => {
            Failure::with_code(2, format_args!("{}: {error}", path.display()))
        }
        (error, _) => Failure::with_code(2, error),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_with_an_error_names_its_place() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("own.csv");
        std::fs::write(&path, "# list: own\n# version: 1\nhost,perhaps\n").unwrap();
        let told = host_table(Some(&path), None).unwrap_err().to_string();
        assert!(told.contains("own.csv:3:"), "{told}");
    }

    #[test]
    fn what_is_no_text_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("policy.toml");
        std::fs::write(&path, b"\xff\xfe").unwrap();
        let told = read_text(&path).unwrap_err().to_string();
        assert!(told.ends_with("it must be UTF-8 text"), "{told}");
        let told = read_text(&folder.path().join("none")).unwrap_err().to_string();
        assert!(told.ends_with("check the path"), "{told}");
    }
}
