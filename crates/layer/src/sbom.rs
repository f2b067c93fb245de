// SPDX-License-Identifier: Apache-2.0
//! The software bill of materials, `CycloneDX` 1.6 in JSON. Without serial number and time, which differ each time.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::parts::Part;

/// The document of these parts, for a binary with this SHA-256 (in hexadecimal).
pub(crate) fn document(parts: &BTreeSet<Part>, architecture: &str, digest: &str) -> String {
    let subject = parts.iter().find(|part| part.is_subject).map(|part| {
        let mut subject = component(part);
        subject["type"] = json!("application");
        subject["hashes"] = json!([{ "alg": "SHA-256", "content": digest }]);
        subject["properties"] = json!([{ "name": "architecture", "value": architecture }]);
        subject
    });
    let others = parts.iter().filter(|part| !part.is_subject);
    let document = json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": { "component": subject },
        "components": others.map(component).collect::<Vec<_>>(),
    });
    format!("{document:#}\n")
}

fn component(part: &Part) -> Value {
    json!({
        "type": "library",
        "bom-ref": part.purl,
        "name": part.name,
        "version": part.version,
        "purl": part.purl,
        "licenses": [{ "expression": part.licence }],
    })
}
