// SPDX-License-Identifier: Apache-2.0
//! WordPress in nginx and PHP-FPM with `MariaDB` beside it: forms, cookies, uploads, its REST API and feed.

use std::fs;

use integration_tests::binaries::repository;
use integration_tests::http::{Request, Response};
use serde_json::{Value, json};

use crate::application::{Application, Plan, WAYS, Way};
use crate::forms::{self, Upload};
use crate::mariadb::MariaDb;
use crate::picture;
use crate::visitor::Visitor;

const PASSWORD: &str = "Bernoulli numbers, 1843";
const TITLE: &str = "Über die Maschine – notes A to G";

#[test]
#[ignore = "needs WordPress and MariaDB: make apps"]
fn a_site_of_wordpress_is_installed_written_and_read() {
    for way in WAYS {
        journey(way);
    }
}

fn journey(way: Way) {
    let database = MariaDb::start("difference");
    let mut app = plan(way, &database).start("/wp-admin/install.php");
    let mut author = Visitor::new(app.address());
    install(&mut app, &mut author);
    log_in(&mut app, &mut author);
    name_pages(&mut app, &mut author);
    let picture = upload(&mut app, &mut author);
    let post = publish(&mut app, &mut author, &picture);
    read(&mut app, &post, &picture);
    comment(&mut app, &post);
    files(&mut app);
    log_out(&mut app, &mut author);
    schedule(&mut app, &database);
    app.stop();
}

fn plan(way: Way, database: &MariaDb) -> Plan {
    Plan::new("wordpress", way)
        .env("WORDPRESS_DB_HOST", database.host())
        .env("WORDPRESS_DB_PASSWORD", "difference")
        .env("WORDPRESS_SECRET", "the same in every environment")
        // Where the event of a schedule goes, and nobody else.
        .env("STREAMGATE_EVENTS_PATH", "/wp-cron.php")
        .env("STREAMGATE_EVENTS_PATH_PRIVATE", "true")
}

fn install(app: &mut Application, author: &mut Visitor) {
    let first = author.get("/");
    app.equal("the site is not installed yet", first.status(), 302);
    let place = author.location("/", &first);
    app.equal(
        "and says where it will be",
        place.as_str(),
        "/wp-admin/install.php",
    );
    let form = author.get(&place);
    app.contains("the form is there", &form.text(), "name=\"weblog_title\"");
    let done = author.submit(
        "/wp-admin/install.php?step=2",
        &[
            ("weblog_title", "Notes & Queries"),
            ("user_name", "ada"),
            ("admin_password", PASSWORD),
            ("admin_password2", PASSWORD),
            ("admin_email", "ada@example.org"),
            ("Submit", "Install WordPress"),
            ("language", ""),
        ],
    );
    app.contains("the site is installed", &done.text(), "<h1>Success!</h1>");
}

fn log_in(app: &mut Application, author: &mut Visitor) {
    let stranger = author.get("/wp-admin/");
    app.equal("a stranger is sent to log in", stranger.status(), 302);
    let place = author.location("/wp-admin/", &stranger);
    app.check(
        "with the way back",
        place.starts_with("/wp-login.php?redirect_to=https%3A%2F%2F"),
    );
    let form = author.get(&place).text();
    let back = forms::field(&form, "redirect_to");
    let fields = |password| {
        [
            ("log", "ada"),
            ("pwd", password),
            ("rememberme", "forever"),
            ("wp-submit", "Log In"),
            ("redirect_to", back.as_str()),
            ("testcookie", "1"),
        ]
    };
    let wrong = author.submit("/wp-login.php", &fields("wrong"));
    app.contains("a wrong password is refused", &wrong.text(), "login_error");
    let right = author.submit("/wp-login.php", &fields(PASSWORD));
    app.equal("the right one redirects", right.status(), 302);
    let lines = right.head.all("set-cookie");
    let of = |start: &str| lines.iter().filter(|line| line.starts_with(start)).count();
    app.equal(
        "each of its cookies has a line of its own",
        (
            of("wordpress_test_cookie="),
            of("wordpress_sec_"),
            of("wordpress_logged_in_"),
        ),
        (1, 2, 1),
    );
    app.check(
        "those for administration are for secure connections",
        lines
            .iter()
            .filter(|line| line.starts_with("wordpress_sec_"))
            .all(|line| line.contains("; secure")),
    );
    let place = author.location("/wp-login.php", &right);
    app.equal("the way leads back", place.as_str(), "/wp-admin/");
    let board = author.get(&place);
    app.equal("the dashboard is there", board.status(), 200);
    app.contains(
        "for its user",
        &board.text(),
        "Howdy, <span class=\"display-name\">ada</span>",
    );
}

/// Pages get paths that only WordPress itself resolves.
fn name_pages(app: &mut Application, author: &mut Visitor) {
    let form = author.get("/wp-admin/options-permalink.php").text();
    let token = forms::field(&form, "_wpnonce");
    let saved = author.submit(
        "/wp-admin/options-permalink.php",
        &[
            ("_wpnonce", &token),
            ("_wp_http_referer", "/wp-admin/options-permalink.php"),
            ("selection", "custom"),
            ("permalink_structure", "/%year%/%postname%/"),
            ("category_base", ""),
            ("tag_base", ""),
            ("submit", "Save Changes"),
        ],
    );
    app.equal("pages get names", saved.status(), 302);
    let place = author.location("/wp-admin/options-permalink.php", &saved);
    app.check("that is confirmed", place.contains("settings-updated=true"));
}

/// A picture in the library.
struct Picture {
    bytes: Vec<u8>,
    id: u64,
    link: String,
}

fn upload(app: &mut Application, author: &mut Visitor) -> Picture {
    let side = picture::side_within(app.way().room);
    let bytes = picture::png(side);
    let form = author.get("/wp-admin/media-new.php").text();
    let token = forms::field(&form, "_wpnonce");
    let (content_type, body) = forms::multipart(
        &[
            ("_wpnonce", &token),
            ("post_id", "0"),
            ("html-upload", "Upload"),
        ],
        Upload {
            field: "async-upload",
            name: "engine.png",
            content_type: "image/png",
            bytes: &bytes,
        },
    );
    let done = author.send(Request::post(
        "/wp-admin/media-new.php",
        &content_type,
        body,
    ));
    app.equal("a picture is uploaded", done.status(), 302);
    let place = author.location("/wp-admin/media-new.php", &done);
    app.equal("to the library", place.as_str(), "/wp-admin/upload.php");
    let listed = author.get("/wp-json/wp/v2/media").json();
    let listed = &listed[0];
    app.equal(
        "which has it",
        &listed["media_details"]["width"],
        &json!(side),
    );
    let small = &listed["media_details"]["sizes"]["thumbnail"];
    app.equal("with a smaller one", &small["width"], &json!(150));
    let small = author.target("/", text(&small["source_url"]));
    let small = author.get(&small);
    app.check(
        "that can be seen",
        small.status() == 200 && small.body().starts_with(b"\x89PNG"),
    );
    Picture {
        bytes,
        id: listed["id"].as_u64().expect("an id is a number"),
        link: text(&listed["source_url"]).to_owned(),
    }
}

/// As the block editor does it; says where the post is.
fn publish(app: &mut Application, author: &mut Visitor, picture: &Picture) -> String {
    let editor = author.get("/wp-admin/post-new.php");
    app.equal("the editor opens", editor.status(), 200);
    let editor = editor.text();
    let token = forms::between(&editor, "createNonceMiddleware( \"", "\"").to_owned();
    let ask = |request: Request| request.header("x-wp-nonce", &token);
    let block = format!(
        "<!-- wp:image {{\"id\":{}}} --><figure class=\"wp-block-image\"><img src=\"{}\" alt=\"\"/></figure><!-- /wp:image -->\
         <!-- wp:paragraph --><p>The Analytical Engine has no pretensions whatever to originate anything. 機関</p><!-- /wp:paragraph -->",
        picture.id, picture.link
    );
    let post = json!({
        "title": TITLE, "content": block, "status": "publish", "slug": "engine", "featured_media": picture.id,
    });
    let refused = author.send(Request::post(
        "/wp-json/wp/v2/posts",
        "application/json",
        post.to_string(),
    ));
    app.equal(
        "without the editor's token nothing is published",
        refused.status(),
        401,
    );
    let made = author.send(ask(Request::post(
        "/wp-json/wp/v2/posts",
        "application/json",
        post.to_string(),
    )));
    app.equal("with it the post is", made.status(), 201);
    let place = author.location("/wp-json/wp/v2/posts", &made);
    let made = made.json();
    app.equal(
        "its own address is told",
        place,
        format!("/wp-json/wp/v2/posts/{}", made["id"]),
    );
    app.equal("it is published", &made["status"], &json!("publish"));
    let changed = author.send(ask(Request::new(
        "PUT",
        format!("/wp-json/wp/v2/posts/{}", made["id"]),
    )
    .header("content-type", "application/json")
    .body(json!({"excerpt": "Note G"}).to_string())));
    app.equal("and changed", changed.status(), 200);
    author.target("/", text(&made["link"]))
}

fn read(app: &mut Application, post: &str, picture: &Picture) {
    let mut reader = Visitor::new(app.address());
    app.check("the post has a name", post.ends_with("/engine/"));
    let home = reader.get("/");
    app.equal("visitors see the site", home.status(), 200);
    app.contains("with the post's title", &home.text(), TITLE);
    let wrong = reader.get(post.trim_end_matches('/'));
    app.equal("a slash that is missing is told", wrong.status(), 301);
    let place = reader.location(post, &wrong);
    app.equal("with the right place", place.as_str(), post);
    let page = reader.get(&place);
    app.equal("the post is read", page.status(), 200);
    app.contains(
        "with its text",
        &page.text(),
        "no pretensions whatever to originate anything. 機関",
    );
    let links = page.head.all("link").join(", ");
    app.check(
        "its links are all there",
        links.contains("https://api.w.org/") && links.contains("rel=shortlink"),
    );
    let shown = page.text();
    let source = forms::between(&shown, "<figure class=\"wp-block-image\"><img ", ">");
    let source = forms::between(source, "src=\"", "\"");
    look_at(app, &mut reader, source, &picture.bytes);

    let feed = reader.get("/feed/");
    app.equal("there is a feed", feed.status(), 200);
    let kind = feed
        .head
        .header("content-type")
        .unwrap_or_default()
        .to_owned();
    app.contains("of that type", &kind, "application/rss+xml");
    app.contains("with the post", &feed.text(), "/engine/</link>");
    let tag = feed.head.header("etag").unwrap_or_default().to_owned();
    let again = reader.send(Request::get("/feed/").header("if-none-match", &tag));
    app.equal("which is not sent again", again.status(), 304);
    let missing = reader.get("/2001/nothing/");
    app.equal("what is not there is not found", missing.status(), 404);
    app.contains("and WordPress says so", &missing.text(), "Page not found");
}

fn look_at(app: &mut Application, reader: &mut Visitor, source: &str, expected: &[u8]) {
    let place = reader.target("/", source);
    let whole = reader.get(&place);
    app.equal("the picture is seen", whole.status(), 200);
    app.check("byte for byte", whole.body() == expected);
    let tag = whole.head.header("etag").unwrap_or_default().to_owned();
    let again = reader.send(Request::get(&place).header("if-none-match", &tag));
    app.equal(
        "a copy is not sent again",
        (again.status(), again.body().len()),
        (304, 0),
    );
    let part = reader.send(Request::get(&place).header("range", "bytes=-1000"));
    app.equal("its end is sent alone", part.status(), 206);
    app.check(
        "the right one",
        part.body() == expected[expected.len() - 1000..],
    );
    let head = reader.send(Request::new("HEAD", &place));
    app.equal("and its head", (head.status(), head.body().len()), (200, 0));
    app.equal("with its type", content_type(&head), "image/png");
}

fn comment(app: &mut Application, post: &str) {
    let mut reader = Visitor::new(app.address());
    let page = reader.get(post).text();
    let number = forms::field(&page, "comment_post_ID");
    let sent = reader.submit(
        "/wp-comments-post.php",
        &[
            ("comment", "What about <b>Note H</b> & the rest?"),
            ("author", "Charles"),
            ("email", "charles@example.org"),
            ("url", "https://example.org/"),
            ("wp-comment-cookies-consent", "yes"),
            ("comment_post_ID", &number),
            ("comment_parent", "0"),
        ],
    );
    app.equal("a visitor comments", sent.status(), 302);
    let cookies = sent.head.all("set-cookie");
    let own = cookies
        .iter()
        .filter(|line| line.starts_with("comment_author_"));
    app.equal("each of three cookies has its line", own.count(), 3);
    let place = reader.location(post, &sent);
    let place = place.split('#').next().unwrap_or_default();
    let page = reader.get(place).text();
    app.contains(
        "it waits for the author's word",
        &page,
        "awaiting moderation",
    );
}

fn files(app: &mut Application) {
    let mut reader = Visitor::new(app.address());
    for name in ["js/dist/components.js", "css/dist/block-library/style.css"] {
        let on_disk = format!("/usr/share/wordpress/wp-includes/{name}");
        let on_disk = fs::read(on_disk).expect("the package has its files");
        if on_disk.len() > app.way().room {
            continue;
        }
        let sent = reader.get(&format!("/wp-includes/{name}"));
        app.check(
            "a file of WordPress is sent as it is",
            sent.status() == 200 && sent.body() == on_disk,
        );
    }
    let bare = reader.get("/wp-admin");
    app.equal("a folder without its slash redirects", bare.status(), 301);
    let place = reader.location("/wp-admin", &bare);
    app.equal("on this site", place.as_str(), "/wp-admin/");
}

fn log_out(app: &mut Application, author: &mut Visitor) {
    let board = author.get("/wp-admin/").text();
    let link = forms::between(&board, "wp-login.php?action=logout&#038;_wpnonce=", "\"");
    let token = link.trim_end_matches('\'');
    let token = token.split('\'').next().unwrap_or_default();
    let out = author.get(&format!("/wp-login.php?action=logout&_wpnonce={token}"));
    app.equal("logging out redirects", out.status(), 302);
    let place = author.location("/wp-login.php", &out);
    app.check(
        "to the form",
        place.starts_with("/wp-login.php?loggedout=true"),
    );
    app.equal(
        "the dashboard is closed again",
        author.get("/wp-admin/").status(),
        302,
    );
}

/// A schedule's event has WordPress do what is due, in an environment of its own.
fn schedule(app: &mut Application, database: &MariaDb) {
    let refused = Visitor::new(app.address()).get("/wp-cron.php");
    app.equal("the schedule is not for visitors", refused.status(), 403);
    let tasks = "SELECT option_value FROM wp_options WHERE option_name = 'cron'";
    let before = database.ask(tasks);
    app.contains("there are tasks", &before, "wp_version_check");
    let event =
        repository().join("integration-tests/tests/fronts/events/eventbridge-schedule.json");
    plan(app.way(), database).send(&event);
    app.check(
        "a schedule's event is served, and its tasks are done before that is said",
        database.ask(tasks) != before,
    );
}

fn content_type(response: &Response) -> &str {
    response.head.header("content-type").unwrap_or_default()
}

fn text(value: &Value) -> &str {
    value
        .as_str()
        .unwrap_or_else(|| panic!("{value} is no text"))
}
