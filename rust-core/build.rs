//! Compiles `signatures/*.csv` into the host table that the core embeds. A list with an error
//! stops the build with the list's line and column.

use std::{env, error::Error, fs, path::Path};

#[allow(dead_code, missing_docs)]
#[path = "src/event/codes.rs"]
mod codes;

mod event {
    pub(crate) use super::codes::{Protocol, UnknownCode, codes};
}

#[allow(dead_code)]
#[path = "src/signatures"]
mod signatures {
    pub(crate) mod address;
    pub(crate) mod compile;
    pub(crate) mod list;
    mod table;

    pub(crate) use list::{Category, Listing, Region, Rule};
}

fn main() -> Result<(), Box<dyn Error>> {
    let folder = Path::new(&env::var("CARGO_MANIFEST_DIR")?).join("../signatures");
    println!("cargo::rerun-if-changed={}", folder.display());
    for source in ["src/event/codes.rs", "src/signatures"] {
        println!("cargo::rerun-if-changed={source}");
    }
    let mut files: Vec<_> =
        fs::read_dir(&folder)?.map(|e| Ok(e?.path())).collect::<Result<_, std::io::Error>>()?;
    files.retain(|file| file.extension().is_some_and(|e| e == "csv"));
    files.sort();
    let mut texts = Vec::new();
    for file in files {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        texts.push((format!("signatures/{name}"), fs::read_to_string(&file)?));
    }
    let mut lists = Vec::new();
    for (name, text) in &texts {
        match signatures::list::parse_list(text, name) {
            Ok(list) => lists.push(list),
            Err(error) => {
                println!("cargo::error={error}");
                return Ok(());
            }
        }
    }
    let bytes = signatures::compile::compile(lists.iter().flat_map(|list| list.rules()))?;
    fs::write(Path::new(&env::var("OUT_DIR")?).join("hosts.bin"), bytes)?;
    Ok(())
}
