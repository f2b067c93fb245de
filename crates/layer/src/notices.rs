// SPDX-License-Identifier: Apache-2.0
//! The licence notices: every text that comes with a part, once, under the parts that it is for.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use crate::parts::Part;

const RULE: &str =
    "--------------------------------------------------------------------------------";

/// The notices for these parts.
pub(crate) fn text(parts: &BTreeSet<Part>) -> String {
    let mut notices =
        String::from("Streamgate's binary is made of these parts, under these licences.\n\n");
    let mut owners: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    // Writing to a string does not fail.
    for part in parts {
        let owner = format!("{} {}", part.name, part.version);
        let _ = writeln!(notices, "{owner}: {}", part.licence);
        for text in &part.texts {
            owners.entry(text.trim()).or_default().push(owner.clone());
        }
    }
    for (text, owners) in owners {
        let _ = writeln!(notices, "\n{RULE}\n{}\n{RULE}\n\n{text}", owners.join(", "));
    }
    notices
}
