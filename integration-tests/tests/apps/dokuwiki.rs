// SPDX-License-Identifier: Apache-2.0
//! `DokuWiki` in Apache: sessions, pages that are files, pictures that PHP hands out, work behind an answer.

use std::fmt::Write;

use integration_tests::http::Request;

use crate::application::{Application, Plan, WAYS, Way};
use crate::forms::{self, Upload};
use crate::picture;
use crate::visitor::Visitor;

const PAGE: &str = "/doku.php?id=notes:lambda";
const PASSWORD: &str = "Bernoulli numbers, 1843";

#[test]
#[ignore = "needs DokuWiki: make apps"]
fn a_page_of_dokuwiki_is_written_illustrated_searched_and_read() {
    for way in WAYS {
        journey(way);
    }
}

fn journey(way: Way) {
    let mut app = Plan::new("dokuwiki", way).start("/");
    let mut author = Visitor::new(app.address());
    install(&mut app, &mut author);
    log_in(&mut app, &mut author);
    illustrate(&mut app, &mut author);
    write(&mut app, &mut author);
    search(&mut app);
    read(&mut app);
    log_out(&mut app, &mut author);
    app.stop();
}

fn install(app: &mut Application, author: &mut Visitor) {
    let form = author.get("/install.php");
    app.equal("the installer is there", form.status(), 200);
    let done = author.submit(
        "/install.php",
        &[
            ("l", "en"),
            ("d[title]", "Notes & Queries"),
            ("d[acl]", "on"),
            ("d[superuser]", "ada"),
            ("d[fullname]", "Ada Lovelace"),
            ("d[email]", "ada@example.org"),
            ("d[password]", PASSWORD),
            ("d[confirm]", PASSWORD),
            // Everybody reads, its users write.
            ("d[policy]", "1"),
            ("d[license]", "cc-by-sa"),
            ("submit", ""),
        ],
    );
    app.contains(
        "the wiki is installed",
        &done.text(),
        "The configuration was finished successfully",
    );
    let start = author.get("/");
    app.equal("its address redirects", start.status(), 302);
    let place = author.location("/", &start);
    app.equal("to its first page", place.as_str(), "/doku.php?id=start");
}

fn log_in(app: &mut Application, author: &mut Visitor) {
    let refused = author.get(&format!("{PAGE}&do=edit"));
    app.check(
        "a stranger does not get the editor",
        !refused.text().contains("wikitext") || refused.text().contains("readonly"),
    );
    let form = author.get("/doku.php?id=start&do=login");
    app.equal("there is a form to log in", form.status(), 200);
    let wrong = author.submit(
        "/doku.php?id=start&do=login",
        &[
            ("id", "start"),
            ("do", "login"),
            ("u", "ada"),
            ("p", "wrong"),
        ],
    );
    app.contains(
        "a wrong password is refused",
        &wrong.text(),
        "username or password was wrong",
    );
    let right = author.submit(
        "/doku.php?id=start&do=login",
        &[
            ("sectok", &forms::field(&form.text(), "sectok")),
            ("id", "start"),
            ("do", "login"),
            ("u", "ada"),
            ("p", PASSWORD),
            ("r", "1"),
        ],
    );
    app.equal("the right one redirects", right.status(), 302);
    let cookies = right.head.all("set-cookie");
    app.check(
        "its cookie is for secure connections",
        cookies
            .iter()
            .any(|line| line.starts_with("DW") && line.contains("; secure")),
    );
    app.check("it is kept", author.has_cookie("DW"));
    let place = author.location("/doku.php", &right);
    let page = author.get(&place).text();
    app.contains("the page knows the user", &page, "Ada Lovelace");
}

fn write(app: &mut Application, author: &mut Visitor) {
    let editor = author.get(&format!("{PAGE}&do=edit"));
    app.equal("the editor opens", editor.status(), 200);
    let editor = editor.text();
    // Larger than what any buffer on the way holds at once, and in more than one alphabet.
    let mut text = String::from(
        "====== The Engine ======\n\nÜber die Δ-Maschine: 機関. {{notes:engine.png?100}}\n\n",
    );
    for line in 0..4000 {
        writeln!(text, "  * card {line} of the operation ßøλ").expect("a string can be written to");
    }
    text.push_str("\nthe very last line\n");
    let fields = [
        "sectok",
        "id",
        "rev",
        "date",
        "prefix",
        "suffix",
        "changecheck",
        "target",
    ];
    let values: Vec<String> = fields
        .iter()
        .map(|name| forms::field(form_of(&editor), name))
        .collect();
    let mut form: Vec<(&str, &str)> = fields
        .iter()
        .zip(&values)
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    form.extend([
        ("wikitext", text.as_str()),
        ("do[save]", "1"),
        ("summary", "created"),
    ]);
    let saved = author.submit(&format!("{PAGE}&do=edit"), &form);
    app.equal("the page is saved", saved.status(), 302);
    let place = author.location("/doku.php", &saved);
    app.check("and shown", place.starts_with(PAGE));
    let source = author.get("/doku.php?do=export_raw&id=notes:lambda");
    app.equal(
        "its source is what was written",
        source.text().trim(),
        text.trim(),
    );
}

/// The editor's own form: the page has others with fields of the same names.
fn form_of(page: &str) -> &str {
    forms::between(page, "id=\"dw__editform\"", "</form>")
}

fn illustrate(app: &mut Application, author: &mut Visitor) {
    let picture = picture::png(picture::side_within(app.way().room));
    let manager = author.get("/lib/exe/mediamanager.php?ns=notes").text();
    let upload = Upload {
        field: "upload",
        name: "engine.png",
        content_type: "image/png",
        bytes: &picture,
    };
    let token = forms::field(
        forms::between(&manager, "id=\"dw__upload\"", "</form>"),
        "sectok",
    );
    let fields = [
        ("sectok", token.as_str()),
        ("ns", "notes"),
        ("mediaid", "engine.png"),
    ];
    let (content_type, body) = forms::multipart(&fields, upload);
    let done = author.send(Request::post(
        "/lib/exe/mediamanager.php",
        &content_type,
        body,
    ));
    app.contains("a picture is uploaded", &done.text(), "Upload successful");

    let place = "/lib/exe/fetch.php?media=notes:engine.png";
    let mut reader = Visitor::new(app.address());
    let got = reader.get(place);
    app.equal("it is there for everybody", got.status(), 200);
    app.check("byte for byte", got.body() == picture);
    app.equal(
        "with its type",
        got.head.header("content-type").map(str::to_owned),
        Some("image/png".to_owned()),
    );
    let tag = got.head.header("etag").unwrap_or_default().to_owned();
    let again = reader.send(Request::get(place).header("if-none-match", &tag));
    app.equal("a copy is not sent again", again.status(), 304);
    app.equal("and has no body", again.body().len(), 0);
    let part = reader.send(Request::get(place).header("range", "bytes=1000-1999"));
    app.equal("a part of it is sent", part.status(), 206);
    app.check("the right one", part.body() == picture[1000..2000]);
    app.equal(
        "which is told",
        part.head.header("content-range").map(str::to_owned),
        Some(format!("bytes 1000-1999/{}", picture.len())),
    );
    let head = reader.send(Request::new("HEAD", place));
    app.equal("its head is sent", head.status(), 200);
    app.equal("without a body", head.body().len(), 0);
}

fn search(app: &mut Application) {
    let mut reader = Visitor::new(app.address());
    let place = "/doku.php?do=search&id=start&q=operation";
    let before = reader.get(place).text();
    app.check(
        "the page is not found yet",
        !before.contains("data-wiki-id=\"notes:lambda\"")
            && !before.contains("id=notes:lambda&amp;s"),
    );
    let page = reader.get(PAGE).text();
    // Every page has this picture, and a browser fetches it.
    let link = forms::between(&page, "<img src=\"/lib/exe/taskrunner.php?", "\"");
    let picture = reader.get(&format!(
        "/lib/exe/taskrunner.php?{}",
        link.replace("&amp;", "&")
    ));
    app.equal(
        "the picture behind which the index is made",
        picture.status(),
        200,
    );
    app.equal("is whole", picture.body().len(), 42);
    // The last thing that is written of it.
    let index = app.state().join("wiki/data/meta/notes/lambda.indexed");
    app.check("the index is made when it ends", index.is_file());
    let found = reader.get(place).text();
    app.contains("the page is found then", &found, "notes:lambda");
}

fn read(app: &mut Application) {
    let mut reader = Visitor::new(app.address());
    let page = reader.get(PAGE);
    app.equal("the page is read by everybody", page.status(), 200);
    let page = page.text();
    app.contains("from its first line", &page, "Über die Δ-Maschine: 機関.");
    app.contains("to its last", &page, "the very last line");
    app.check(
        "with all in between",
        page.matches("of the operation ßøλ").count() == 4000,
    );
    let small = forms::between(&page, "src=\"/lib/exe/fetch.php?w=100", "\"");
    let small = small.replace("&amp;", "&");
    let small = reader.get(&format!("/lib/exe/fetch.php?w=100{small}"));
    app.check(
        "its picture is made smaller",
        small.status() == 200
            && small.body().starts_with(b"\x89PNG")
            && small.body().len() < 100_000,
    );
    let style = forms::between(&page, "href=\"/lib/exe/css.php?", "\"").replace("&amp;", "&");
    let style = reader.get(&format!("/lib/exe/css.php?{style}"));
    app.check(
        "its style sheet is made",
        style.status() == 200 && style.text().contains(".dokuwiki"),
    );
    let feed = reader.get("/feed.php");
    app.contains("the feed names it", &feed.text(), "notes:lambda");
    let file = "/usr/share/dokuwiki/lib/scripts/edit.js";
    let on_disk = std::fs::read(file).expect("the package has its scripts");
    let script = reader.get("/lib/scripts/edit.js");
    app.check("a static file is sent as it is", script.body() == on_disk);
    let tag = script.head.header("etag").unwrap_or_default().to_owned();
    let again = reader.send(Request::get("/lib/scripts/edit.js").header("if-none-match", &tag));
    app.equal("and not twice", again.status(), 304);
    for hidden in ["/inc/init.php", "/bin/dwpage.php"] {
        app.equal(
            "what is not for visitors is not sent",
            reader.get(hidden).status(),
            403,
        );
    }
}

fn log_out(app: &mut Application, author: &mut Visitor) {
    let page = author.get("/doku.php?id=start").text();
    let token = forms::field(&page, "sectok");
    let out = author.get(&format!("/doku.php?id=start&do=logout&sectok={token}"));
    app.equal("logging out redirects", out.status(), 302);
    app.check("and takes the cookie away", !author.has_cookie("DW"));
    let page = author.get("/doku.php?id=start").text();
    app.check(
        "the user is a stranger again",
        !page.contains("Ada Lovelace"),
    );
}
