// SPDX-License-Identifier: Apache-2.0
//! The book of `docs/`: each page has its place, each link leads somewhere, and what a page quotes is there.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use integration_tests::binaries::repository;

use crate::sources;

/// Names that begin like a setting's and are none: what a launched app is told, and what the tests are told.
const NO_SETTINGS: [&str; 3] = ["CONTROL", "BIN", "LOCAL_BIN"];

/// What an ellipsis in a quoted line stands for may be anything; what is this short proves nothing.
const SHORTEST_QUOTE: usize = 6;

#[test]
fn every_page_of_the_book_is_in_its_summary_once() {
    let docs = repository().join("docs");
    let summary = fs::read_to_string(docs.join("SUMMARY.md")).unwrap();
    let mut listed: Vec<String> = links(&summary);
    listed.sort();
    let pages: Vec<String> = markdown_files(&docs)
        .iter()
        .map(|page| page.strip_prefix(&docs).unwrap().display().to_string())
        .filter(|page| page != "SUMMARY.md")
        .collect();
    assert_eq!(listed, pages, "docs/SUMMARY.md and the files beside it");
}

#[test]
fn every_link_leads_somewhere() {
    let root = repository();
    let docs = root.join("docs");
    let mut folders = vec![docs.clone()];
    folders.extend(["examples", "deploy", "integration-tests"].map(|name| root.join(name)));
    let mut files: Vec<PathBuf> = folders.iter().flat_map(|at| markdown_files(at)).collect();
    files.extend(["README.md", "CHANGELOG.md", "SECURITY.md"].map(|name| root.join(name)));

    let mut anchors = BTreeMap::new();
    let mut wrong = BTreeSet::new();
    let mut count = 0;
    for file in &files {
        let text = fs::read_to_string(file).unwrap();
        for link in links(&text) {
            if link.starts_with("https://") || link.starts_with("mailto:") {
                continue;
            }
            count += 1;
            let (path, anchor) = link.split_once('#').unwrap_or((&link, ""));
            let target = match path {
                "" => file.clone(),
                path => file.parent().unwrap().join(path),
            };
            let complaint = if !target.exists() {
                "does not exist"
            } else if file.starts_with(&docs) && !resolved(&target).starts_with(&docs) {
                "leaves the book, which is published without the rest"
            } else if !anchor.is_empty() && !has_anchor(&mut anchors, &target, anchor) {
                "has no such heading"
            } else {
                continue;
            };
            wrong.insert(format!("{}: {link} {complaint}", file.display()));
        }
    }
    assert!(count > 50, "only {count} links were found");
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_log_line_that_is_quoted_is_one_of_the_adapters() {
    let code: Vec<String> = sources(&repository().join("src"))
        .iter()
        .map(|file| joined(&fs::read_to_string(file).unwrap()))
        .collect();
    let page = fs::read_to_string(repository().join("docs/troubleshooting.md")).unwrap();
    let mut column = None;
    let mut quotes = 0;
    let mut wrong = Vec::new();
    for line in page.lines() {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let is_row = line.starts_with('|') && !line.starts_with("|--");
        let heading = cells.iter().position(|cell| *cell == "The log says");
        column = heading.or(column.filter(|_| line.starts_with('|')));
        let Some(column) = column.filter(|_| is_row && heading.is_none()) else {
            continue;
        };
        for quote in cells[column].split('`').skip(1).step_by(2) {
            quotes += 1;
            let parts: Vec<&str> = quote
                .split('…')
                .map(|part| part.trim_matches([' ', '`']))
                .filter(|part| part.len() >= SHORTEST_QUOTE)
                .collect();
            let has_all = |file: &&String| parts.iter().all(|part| file.contains(part));
            if parts.is_empty() || !code.iter().any(|file| has_all(&file)) {
                wrong.push(quote);
            }
        }
    }
    assert!(quotes > 40, "only {quotes} lines are quoted");
    assert!(wrong.is_empty(), "no file of src has these: {wrong:#?}");
}

#[test]
fn every_setting_that_a_page_names_exists() {
    let known = names_in(&table_of_settings(), "        name: \"");
    let mut wrong = BTreeSet::new();
    let mut files = markdown_files(&repository().join("docs"));
    files.push(repository().join("README.md"));
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        for name in text.split("STREAMGATE_").skip(1).map(first_name) {
            // `STREAMGATE_*`, and beginnings of names.
            let is_whole = !name.is_empty() && !name.ends_with('_');
            if is_whole && !known.contains(&name) && !NO_SETTINGS.contains(&name.as_str()) {
                wrong.insert(format!("{}: STREAMGATE_{name}", file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_variable_of_web_adapter_is_on_the_page_of_those_who_move() {
    let page = fs::read_to_string(repository().join("docs/migrating-from-lwa.md")).unwrap();
    let table = table_of_settings();
    let ours = BTreeSet::from(["PORT", "AWS_LAMBDA_MAX_CONCURRENCY"]);
    let aliases: Vec<&str> = table
        .split("alias(\"")
        .skip(1)
        .chain(table.split("bare(\"").skip(1))
        .chain(table.split("            name: \"").skip(1))
        .filter_map(|rest| rest.split('"').next())
        .filter(|name| !ours.contains(name))
        .collect();
    assert!(aliases.len() > 20, "{aliases:?}");
    for alias in aliases {
        assert!(page.contains(&format!("`{alias}`")), "{alias} is missing");
    }
}

fn table_of_settings() -> String {
    let text = fs::read_to_string(repository().join("src/settings/vars.rs")).unwrap();
    text.split("#[cfg(test)]").next().unwrap().to_owned()
}

/// The quoted names behind each occurrence of `before`.
fn names_in(text: &str, before: &str) -> BTreeSet<String> {
    text.split(before).skip(1).map(first_name).collect()
}

fn first_name(rest: &str) -> String {
    rest.chars()
        .take_while(|&c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
        .collect()
}

/// Source code in which a text that goes on in the next line is in one piece.
fn joined(code: &str) -> String {
    let mut lines = code.split("\\\n");
    let mut whole = lines.next().unwrap_or_default().to_owned();
    for line in lines {
        whole.push_str(line.trim_start());
    }
    whole.replace("\\\\", "\\")
}

fn resolved(path: &Path) -> PathBuf {
    fs::canonicalize(path).unwrap()
}

/// All Markdown files below a folder, in order; none where there is no such folder.
fn markdown_files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let name = entry.file_name();
        if path.is_dir() && name != "node_modules" && name != "target" && name != "packages" {
            found.extend(markdown_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "md") {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// The lines outside of code blocks.
fn prose(text: &str) -> impl Iterator<Item = &str> {
    let mut in_code = false;
    text.lines().filter(move |line| {
        let is_fence = line.trim_start().starts_with("```");
        in_code ^= is_fence;
        !in_code && !is_fence
    })
}

/// Where the links lead to, in order.
fn links(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for line in prose(text) {
        // What is in backquotes is no link, except that the text of one may be.
        let line = line.replace("`](", "](");
        let mut parts = line.split("](");
        parts.next();
        for rest in parts {
            found.extend(rest.split_once(')').map(|(link, _)| link.to_owned()));
        }
        assert!(
            !line.starts_with('[') || !line.contains("]: "),
            "this test does not know links by reference: {line}"
        );
    }
    found
}

fn has_anchor(known: &mut BTreeMap<PathBuf, BTreeSet<String>>, page: &Path, anchor: &str) -> bool {
    let anchors = known.entry(page.to_owned()).or_insert_with(|| {
        let text = fs::read_to_string(page).unwrap_or_default();
        let headings = prose(&text).filter(|line| line.starts_with('#'));
        headings
            .map(|line| slug(line.trim_start_matches('#')))
            .collect()
    });
    anchors.contains(anchor)
}

/// A heading's name in addresses, as mdBook and code hosts make it.
fn slug(heading: &str) -> String {
    heading
        .trim()
        .chars()
        .filter_map(|c| match c {
            c if c.is_alphanumeric() || c == '-' || c == '_' => Some(c.to_ascii_lowercase()),
            c if c.is_whitespace() => Some('-'),
            _ => None,
        })
        .collect()
}
