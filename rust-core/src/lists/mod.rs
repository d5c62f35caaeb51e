//! The folder of imported lists: `NAME.list` each, made by [`import`], read whole by [`load`].
//!
//! A list is replaced in one step, after it was written and reached the disk: who reads meanwhile
//! gets the old one, and a failure leaves it as it was.

use crate::limits;
use crate::signatures::{Choice, Compiled, HostTable, ImportError, Imported, ImportedError};
use crate::signatures::{HEAD, Importer, Report};
use flate2::bufread::MultiGzDecoder;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Why a list could not be imported or read.
#[derive(Debug, thiserror::Error)]
pub enum ListsError {
    /// A file or folder could not be read or written.
    #[error("{path}: {error}")]
    File {
        /// Which.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// What is to be imported is no list, or too large.
    #[error("{path}: {error}")]
    Import {
        /// Which.
        path: PathBuf,
        /// Why.
        error: ImportError,
    },
    /// What is to be imported is larger than [`limits::LIST_BYTES`].
    #[error("{0}: larger than {mb} MB", mb = limits::LIST_BYTES / (1024 * 1024))]
    TooLarge(PathBuf),
    /// What is to be imported is packed with gzip and cannot be unpacked.
    #[error("{0}: damaged, or no gzip file after all")]
    Unpack(PathBuf),
    /// An imported list is damaged or none.
    #[error("{path}: {error}")]
    Imported {
        /// Which.
        path: PathBuf,
        /// Why.
        error: ImportedError,
    },
    /// The folder has more than [`limits::LISTS`].
    #[error("{0}: more than {most} lists; remove some", most = limits::LISTS)]
    TooMany(PathBuf),
}

/// What a file packed with gzip begins with (RFC 1952 §2.3.1).
const GZIP: &[u8] = b"\x1f\x8b";

fn at(path: &Path) -> impl Fn(io::Error) -> ListsError + '_ {
    |error| ListsError::File { path: path.to_owned(), error }
}

/// Reads a list as others write it, without keeping it.
pub fn read(path: &Path, choice: &Choice) -> Result<(Compiled, Report), ListsError> {
    read_file(File::open(path).map_err(at(path))?, path, choice)
}

/// The same of an opened file; `path` is what errors call it.
pub fn read_file(
    file: File,
    path: &Path,
    choice: &Choice,
) -> Result<(Compiled, Report), ListsError> {
    let mut reader = BufReader::with_capacity(64 * 1024, file.take(limits::LIST_BYTES + 1));
    let mut importer = Importer::new(HostTable::builtin(), choice.below);
    let bytes = if reader.fill_buf().map_err(at(path))?.starts_with(GZIP) {
        let unpacked = MultiGzDecoder::new(reader).take(limits::LIST_BYTES + 1);
        let mut reader = BufReader::with_capacity(64 * 1024, unpacked);
        let damaged = |_| ListsError::Unpack(path.to_owned());
        each_line(&mut reader, &mut importer).map_err(damaged)?
    } else {
        each_line(&mut reader, &mut importer).map_err(at(path))?
    };
    if bytes > limits::LIST_BYTES {
        return Err(ListsError::TooLarge(path.to_owned()));
    }
    let wrong = |error| ListsError::Import { path: path.to_owned(), error };
    importer.finish(choice).map_err(wrong)
}

/// Gives each line to the importer, the longest ones cut. How many bytes there were.
fn each_line(reader: &mut impl BufRead, importer: &mut Importer<'_>) -> io::Result<u64> {
    let (mut bytes, mut line) = (0, Vec::new());
    let most = limits::LIST_LINE as u64 + 1;
    loop {
        line.clear();
        let read = reader.by_ref().take(most).read_until(b'\n', &mut line)?;
        bytes += read as u64;
        if read == 0 || importer.is_full() {
            return Ok(bytes);
        }
        if line.last() != Some(&b'\n') && read as u64 == most {
            bytes += reader.skip_until(b'\n')? as u64;
        }
        importer.line(&line);
    }
}

/// Imports a list into a folder, in place of the one of its name.
pub fn import(path: &Path, folder: &Path, choice: &Choice) -> Result<Report, ListsError> {
    let (compiled, report) = read(path, choice)?;
    keep(&compiled, folder, choice)?;
    Ok(report)
}

/// Puts a list that was read into a folder, in place of the one of its name.
pub fn keep(compiled: &Compiled, folder: &Path, choice: &Choice) -> Result<(), ListsError> {
    fs::create_dir_all(folder).map_err(at(folder))?;
    let place = place(folder, &choice.name);
    let known = paths(folder)?;
    if known.len() >= limits::LISTS && !known.contains(&place) {
        return Err(ListsError::TooMany(folder.to_owned()));
    }
    let draft = folder.join(format!("{}.draft", choice.name));
    let written = write(&draft, compiled).and_then(|()| fs::rename(&draft, &place));
    if let Err(error) = written {
        // What is left of it would only take room; the failure itself is what counts.
        let _ = fs::remove_file(&draft);
        return Err(at(&draft)(error));
    }
    Ok(())
}

fn write(path: &Path, compiled: &Compiled) -> io::Result<()> {
    let mut out = BufWriter::with_capacity(64 * 1024, File::create(path)?);
    out.write_all(&[0; HEAD])?;
    let head = compiled.write(&mut |piece: &[u8]| out.write_all(piece))?;
    out.seek(SeekFrom::Start(0))?;
    out.write_all(&head)?;
    out.flush()?;
    out.get_ref().sync_all()
}

fn place(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!("{name}.list"))
}

/// Takes a list away; whether there was one.
pub fn remove(folder: &Path, name: &str) -> Result<bool, ListsError> {
    let place = place(folder, name);
    let known = paths(folder)?.contains(&place);
    if known {
        fs::remove_file(&place).map_err(at(&place))?;
    }
    Ok(known)
}

/// The lists of a folder, by name; none where there is no folder.
fn paths(folder: &Path) -> Result<Vec<PathBuf>, ListsError> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(at(folder)(error)),
    };
    let paths = entries.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>();
    let mut paths = paths.map_err(at(folder))?;
    paths.retain(|path| path.extension().is_some_and(|end| end == "list"));
    paths.sort();
    Ok(paths)
}

/// Reads all lists of a folder, by name; none where there is no folder. One that is damaged fails
/// the whole, so that nothing is silently missing.
pub fn load(folder: &Path) -> Result<Vec<Arc<Imported>>, ListsError> {
    all(folder)?.into_iter().map(open).collect()
}

/// The same for whoever must go on: the lists that are sound, and the names of those that are not.
pub fn load_sound(folder: &Path) -> Result<(Vec<Arc<Imported>>, Vec<String>), ListsError> {
    let (mut sound, mut damaged) = (Vec::new(), Vec::new());
    for path in all(folder)? {
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        match open(path) {
            Ok(list) => sound.push(list),
            Err(_) => damaged.push(name),
        }
    }
    Ok((sound, damaged))
}

/// The paths of all lists, where they are not too many.
fn all(folder: &Path) -> Result<Vec<PathBuf>, ListsError> {
    let paths = paths(folder)?;
    if paths.len() > limits::LISTS {
        return Err(ListsError::TooMany(folder.to_owned()));
    }
    Ok(paths)
}

fn open(path: PathBuf) -> Result<Arc<Imported>, ListsError> {
    let mut bytes = Vec::new();
    let file = File::open(&path).map_err(at(&path))?;
    file.take(limits::LIST_BYTES).read_to_end(&mut bytes).map_err(at(&path))?;
    Imported::open(bytes).map(Arc::new).map_err(|error| ListsError::Imported { path, error })
}

#[cfg(test)]
mod cases;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signatures::{Category, Listing, Refusal};
    use tempfile::TempDir;

    fn choice(name: &str) -> Choice {
        let (name, source) = (name.to_owned(), "list.txt".to_owned());
        Choice { name, source, category: Category::Ads, listing: Listing::Block, below: false }
    }

    fn file(folder: &TempDir, bytes: &[u8]) -> PathBuf {
        let path = folder.path().join("source.txt");
        fs::write(&path, bytes).unwrap();
        path
    }

    fn names(folder: &Path) -> Vec<String> {
        load(folder).unwrap().iter().map(|list| list.about().id.clone()).collect()
    }

    #[test]
    fn a_list_that_was_imported_is_there_until_it_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let lists = folder.path().join("lists");
        assert_eq!(names(&lists), [""; 0]);
        let report =
            import(&file(&folder, b"a.example.com\nb.example.com\n"), &lists, &choice("mine"));
        assert_eq!(report.unwrap().names, 2);
        let [list] = &load(&lists).unwrap()[..] else { panic!("one list") };
        assert_eq!((list.name(), list.about().names), ("mine", 2));
        assert!(remove(&lists, "mine").unwrap());
        assert!(!remove(&lists, "mine").unwrap());
        assert_eq!(names(&lists), [""; 0]);
    }

    #[test]
    fn the_old_list_stays_where_the_new_one_fails() {
        let folder = tempfile::tempdir().unwrap();
        let lists = folder.path().join("lists");
        import(&file(&folder, b"a.example.com\n"), &lists, &choice("mine")).unwrap();
        let old = names(&lists);
        for bad in [&b""[..], b"<html>", &[0; 5000], b"\xff\xfe\x00a"] {
            let outcome = import(&file(&folder, bad), &lists, &choice("mine"));
            assert!(
                matches!(outcome, Err(ListsError::Import { error: ImportError::Nothing(_), .. })),
                "{outcome:?}"
            );
            assert_eq!(names(&lists), old);
        }
        let missing = import(&folder.path().join("none"), &lists, &choice("mine"));
        assert!(matches!(missing, Err(ListsError::File { .. })));
        assert_eq!(names(&lists), old);
        let left: Vec<_> = fs::read_dir(&lists).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(left, ["mine.list"]);
        import(&file(&folder, b"b.example.com\n"), &lists, &choice("mine")).unwrap();
        assert_ne!(names(&lists), old);
    }

    #[test]
    fn a_damaged_list_is_named() {
        let folder = tempfile::tempdir().unwrap();
        import(&file(&folder, b"a.example.com\n"), folder.path(), &choice("mine")).unwrap();
        let path = folder.path().join("mine.list");
        let mut bytes = fs::read(&path).unwrap();
        bytes.pop();
        fs::write(&path, &bytes).unwrap();
        let error = load(folder.path()).unwrap_err();
        assert!(error.to_string().ends_with("mine.list: damaged; import the list again"));
        import(&file(&folder, b"a.example.com\n"), folder.path(), &choice("sound")).unwrap();
        let (sound, damaged) = load_sound(folder.path()).unwrap();
        assert_eq!(
            (sound.len(), sound[0].name(), &*damaged),
            (1, "sound", &["mine".to_owned()][..])
        );
    }

    #[test]
    fn a_folder_holds_so_many_lists_and_no_more() {
        let folder = tempfile::tempdir().unwrap();
        let source = file(&folder, b"a.example.com\n");
        for number in 0..limits::LISTS {
            import(&source, folder.path(), &choice(&format!("l{number}"))).unwrap();
        }
        let more = import(&source, folder.path(), &choice("more"));
        assert!(matches!(more, Err(ListsError::TooMany(_))));
        import(&source, folder.path(), &choice("l0")).unwrap();
        assert_eq!(names(folder.path()).len(), limits::LISTS);
    }

    /// Bytes without an end of line, as many as asked for.
    struct Endless(u64);

    impl Read for Endless {
        fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
            let count = self.0.min(room.len() as u64);
            room[..count as usize].fill(b'a');
            self.0 -= count;
            Ok(count as usize)
        }
    }

    #[test]
    fn a_line_of_a_gigabyte_takes_no_room() {
        let line = Endless(1 << 30).chain(&b"\na.example.com\n"[..]);
        let mut importer = Importer::new(HostTable::builtin(), false);
        let mut reader = BufReader::with_capacity(1 << 20, line);
        let bytes = each_line(&mut reader, &mut importer).unwrap();
        assert_eq!(bytes, (1 << 30) + 15);
        let (_, report) = importer.finish(&choice("mine")).unwrap();
        assert_eq!((report.lines, report.names), (2, 1));
        assert_eq!(report.refused[&Refusal::LongLine].count, 1);
    }
}
