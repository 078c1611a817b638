//! The asset list: which hosts there should be. The report's denominator.
//!
//! A CSV file that the settings name (`[assets] file`), with a first line of column names: `name` is required;
//! `address`, `owner` and `group` are read where they are there; other columns are left aside. [`keep`] puts
//! it into the store at start and when it changes; a file with a fault is not taken, and the list before it stays.

mod keep;

use std::{
    collections::HashMap,
    fs::File,
    io::Read,
    net::IpAddr,
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::state::hex;

pub use keep::keep;

/// Hosts on a list, at most.
pub const HOSTS_MAX: usize = 100_000;
/// Bytes of the file, at most.
pub const FILE_BYTES_MAX: u64 = 16 << 20;
/// Bytes of one field, at most.
pub const FIELD_BYTES_MAX: usize = 256;
/// Columns of the file that are read.
const COLUMNS: [&str; 4] = ["name", "address", "owner", "group"];

/// A host that there should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asset {
    /// Name; unique in its list, in whatever case of letters.
    pub name: String,
    /// Address, as its canonical text.
    pub address: Option<String>,
    /// Who answers for it.
    pub owner: Option<String>,
    /// What it belongs to: `laptops`, `production`, a site.
    pub group: Option<String>,
}

/// A list that was read and checked.
#[derive(Clone, Debug, Default)]
pub struct AssetList {
    /// The hosts, as in the file.
    pub assets: Vec<Asset>,
    /// SHA-256 of the file, hex.
    pub digest: String,
    /// Columns of the file that are left aside.
    pub unread: Vec<String>,
}

/// Why a file is not taken.
#[derive(Debug, Error)]
pub enum AssetError {
    /// It cannot be read.
    #[error("assets.file {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// What it holds is no list: file, line, what, and what to do.
    #[error("{}:{line}: {what}", path.display())]
    Fault {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: u64,
        /// What is wrong, and what to do.
        what: String,
    },
}

impl AssetList {
    /// Reads and checks a file.
    ///
    /// # Errors
    /// It cannot be read, is over a bound, or is not such a list.
    pub fn read(path: &Path) -> Result<Self, AssetError> {
        let unreadable = |source| AssetError::Unreadable {
            path: path.to_owned(),
            source,
        };
        let file = File::open(path).map_err(unreadable)?;
        // A pipe would keep us waiting.
        if !file.metadata().map_err(unreadable)?.is_file() {
            let source = std::io::Error::other("it is not a file");
            return Err(unreadable(source));
        }
        let mut bytes = Vec::new();
        file.take(FILE_BYTES_MAX + 1)
            .read_to_end(&mut bytes)
            .map_err(unreadable)?;
        Self::parse(&bytes).map_err(|(line, what)| AssetError::Fault {
            path: path.to_owned(),
            line,
            what,
        })
    }

    /// Checks a file's content. An error has the line, from 1, and what is wrong.
    ///
    /// # Errors
    /// It is over a bound, or not such a list.
    pub fn parse(bytes: &[u8]) -> Result<Self, (u64, String)> {
        if bytes.len() as u64 > FILE_BYTES_MAX {
            return Err((1, format!("the file is longer than {FILE_BYTES_MAX} bytes")));
        }
        let mut reader = csv::ReaderBuilder::new()
            .trim(csv::Trim::All)
            .from_reader(bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes));
        let heads = reader.headers().map_err(fault)?.clone();
        let column = |name: &str| {
            heads
                .iter()
                .position(|head| head.eq_ignore_ascii_case(name))
        };
        let Some(name) = column("name") else {
            let what = "the first line names no column `name`; it names the columns, parted by commas: name,address,owner,group";
            return Err((1, what.to_owned()));
        };
        let places = Places {
            name,
            address: column("address"),
            owner: column("owner"),
            group: column("group"),
        };
        let mut list = Self {
            assets: Vec::new(),
            digest: hex(&Sha256::digest(bytes)),
            unread: (heads.iter())
                .filter(|head| !COLUMNS.iter().any(|known| head.eq_ignore_ascii_case(known)))
                .map(|head| head.chars().take(FIELD_BYTES_MAX).collect())
                .collect(),
        };
        let mut lines: HashMap<String, u64> = HashMap::new();
        for record in reader.records() {
            let record = record.map_err(fault)?;
            let line = record.position().map_or(1, csv::Position::line);
            let asset = places.asset(&record).map_err(|what| (line, what))?;
            if let Some(first) = lines.insert(asset.name.to_lowercase(), line) {
                let what = format!(
                    "{:?} is on line {first} already: name each host once",
                    asset.name
                );
                return Err((line, what));
            }
            if list.assets.len() == HOSTS_MAX {
                return Err((line, format!("more than {HOSTS_MAX} hosts")));
            }
            list.assets.push(asset);
        }
        Ok(list)
    }
}

/// Where the columns are.
struct Places {
    name: usize,
    address: Option<usize>,
    owner: Option<usize>,
    group: Option<usize>,
}

impl Places {
    fn asset(&self, record: &csv::StringRecord) -> Result<Asset, String> {
        let field = |place: Option<usize>, name: &str| match place.and_then(|at| record.get(at)) {
            None | Some("") => Ok(None),
            Some(text) if text.len() > FIELD_BYTES_MAX => {
                Err(format!("{name} is longer than {FIELD_BYTES_MAX} bytes"))
            }
            Some(text) => Ok(Some(text.to_owned())),
        };
        let name = field(Some(self.name), "name")?
            .map(|name| name.trim_end_matches('.').to_owned())
            .filter(|name| !name.is_empty())
            .ok_or("the host has no name: fill in the column name")?;
        let address = field(self.address, "address")?
            .map(|text| {
                let address = text.parse::<IpAddr>();
                address
                    .map(|address| address.to_canonical().to_string())
                    .map_err(|_| format!("address {text:?} is no IP address: write it without port, or leave it empty"))
            })
            .transpose()?;
        Ok(Asset {
            name,
            address,
            owner: field(self.owner, "owner")?,
            group: field(self.group, "group")?,
        })
    }
}

fn fault(error: csv::Error) -> (u64, String) {
    let line = error.position().map_or(1, csv::Position::line);
    let what = match error.kind() {
        csv::ErrorKind::Utf8 { .. } => "this is not UTF-8".to_owned(),
        csv::ErrorKind::UnequalLengths {
            expected_len, len, ..
        } => format!(
            "{len} fields, but the first line names {expected_len}: put fields with a comma into quotes"
        ),
        _ => error.to_string(),
    };
    (line, what)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(text: &str) -> Result<Vec<Asset>, (u64, String)> {
        AssetList::parse(text.as_bytes()).map(|list| list.assets)
    }

    #[test]
    fn a_list_from_a_spreadsheet() {
        let text = "\u{feff}Name, Serial,OWNER,group,address\r\n web-01. ,17,\"Ann, of web\",production,::ffff:10.0.0.1\r\nlaptop-7,,,,\r\n";
        let list = AssetList::parse(text.as_bytes()).expect("a list");
        let asset = |name: &str| Asset {
            name: name.to_owned(),
            address: None,
            owner: None,
            group: None,
        };
        assert_eq!(
            list.assets,
            [
                Asset {
                    address: Some("10.0.0.1".to_owned()),
                    owner: Some("Ann, of web".to_owned()),
                    group: Some("production".to_owned()),
                    ..asset("web-01")
                },
                asset("laptop-7"),
            ]
        );
        assert_eq!(list.unread, ["Serial"]);
        assert_eq!(list.digest.len(), 64);
        assert_eq!(parse("name\n"), Ok(Vec::new()));
    }

    #[test]
    fn faults_are_told_with_their_line() {
        for (text, line, what) in [
            ("", 1, "no column `name`"),
            ("host;owner\na;b\n", 1, "no column `name`"),
            ("name,owner\na,b\n,c\n", 3, "no name"),
            ("name\na\nb\nA\n", 4, "on line 2 already"),
            ("name,address\na,10.0.0.1:80\n", 2, "no IP address"),
            ("name,owner\na,b,c\n", 2, "3 fields"),
        ] {
            let (at, told) = parse(text).expect_err("a fault");
            assert!(told.contains(what) && at == line, "{text:?}: {at}: {told}");
        }
        let long = format!("name\n{}\n", "x".repeat(FIELD_BYTES_MAX + 1));
        assert!(parse(&long).is_err());
        let many: String = (0..=HOSTS_MAX).map(|n| format!("h{n}\n")).collect();
        let (line, told) = parse(&format!("name\n{many}")).expect_err("a fault");
        assert!(
            told.contains("more than") && line == HOSTS_MAX as u64 + 2,
            "{line}: {told}"
        );
        assert!(AssetList::parse(b"name\n\xff\n").is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_list_or_a_fault(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = AssetList::parse(&bytes);
            let mut headed = b"name,address\n".to_vec();
            headed.extend(bytes);
            if let Ok(list) = AssetList::parse(&headed) {
                prop_assert!(list.assets.iter().all(|a| !a.name.is_empty() && a.name.len() <= FIELD_BYTES_MAX));
            }
        }
    }
}
