// SPDX-License-Identifier: Apache-2.0
//! Forms: what a page has in its fields, and the two ways in which a browser sends them.

use std::fmt::Write;

/// What separates the parts of a form with a file.
const BOUNDARY: &str = "----a-boundary-that-no-file-has-7MA4YWxkTrZu0gW";

/// The fields as `application/x-www-form-urlencoded`.
pub(crate) fn urlencoded(fields: &[(&str, &str)]) -> String {
    let pairs = fields.iter();
    let pairs = pairs.map(|(name, value)| format!("{}={}", escaped(name), escaped(value)));
    pairs.collect::<Vec<_>>().join("&")
}

/// A text as it may stand in a query or a form.
pub(crate) fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            write!(escaped, "%{byte:02X}").expect("a string can be written to");
        }
    }
    escaped
}

/// A file of a form.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Upload<'a> {
    /// The name of the form's field.
    pub(crate) field: &'a str,
    /// The name that the file has at the client's.
    pub(crate) name: &'a str,
    /// Its type.
    pub(crate) content_type: &'a str,
    /// Its bytes.
    pub(crate) bytes: &'a [u8],
}

/// The fields and a file as `multipart/form-data`: the content type and the body.
pub(crate) fn multipart(fields: &[(&str, &str)], upload: Upload<'_>) -> (String, Vec<u8>) {
    let mut body = Vec::new();
    for (name, value) in fields {
        let part = format!(
            "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n"
        );
        body.extend_from_slice(part.as_bytes());
    }
    let head = format!(
        "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{}\"; filename=\"{}\"\r\nContent-Type: {}\r\n\r\n",
        upload.field, upload.name, upload.content_type
    );
    body.extend_from_slice(head.as_bytes());
    body.extend_from_slice(upload.bytes);
    body.extend_from_slice(format!("\r\n--{BOUNDARY}--\r\n").as_bytes());
    (format!("multipart/form-data; boundary={BOUNDARY}"), body)
}

/// The value of the page's first field of this name.
pub(crate) fn field(page: &str, name: &str) -> String {
    let tags = page.split('<').skip(1);
    let mut tags = tags.map(|rest| rest.split('>').next().unwrap_or_default());
    let tag = tags
        .find(|tag| attribute(tag, "name") == Some(name))
        .unwrap_or_else(|| panic!("no field {name} in {page}"));
    attribute(tag, "value").unwrap_or_default().to_owned()
}

fn attribute<'a>(tag: &'a str, name: &str) -> Option<&'a str> {
    [("\"", '"'), ("'", '\'')].iter().find_map(|(quote, end)| {
        let (_, rest) = tag.split_once(&format!(" {name}={quote}"))?;
        rest.split(*end).next()
    })
}

/// What stands between two texts of a page.
pub(crate) fn between<'a>(page: &'a str, before: &str, behind: &str) -> &'a str {
    let found = page
        .split_once(before)
        .and_then(|(_, rest)| rest.split_once(behind));
    found.map_or_else(
        || panic!("nothing between {before:?} and {behind:?} in {page}"),
        |(found, _)| found,
    )
}
