// SPDX-License-Identifier: Apache-2.0
//! Radicale, a calendar server: methods and XML bodies that no browser sends.

use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use integration_tests::http::{Request, Response};

use crate::application::{Application, Plan, WAYS, Way};
use crate::visitor::Visitor;

const CALENDAR: &str = "/ada/engine/";
const EVENT: &str = "/ada/engine/lecture.ics";
const XML: &str = "application/xml; charset=utf-8";

const LECTURE: &str = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//streamgate//apps//EN\r\nBEGIN:VEVENT\r\n\
    UID:lecture\r\nDTSTAMP:20260101T000000Z\r\nDTSTART:20260610T100000Z\r\nDTEND:20260610T110000Z\r\n\
    SUMMARY:Über die Maschine\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n";

#[test]
#[ignore = "needs Radicale: make apps"]
fn a_calendar_of_radicale_is_made_filled_searched_and_emptied() {
    for way in WAYS {
        journey(way);
    }
}

fn journey(way: Way) {
    let mut app = Plan::new("radicale", way)
        .env("RADICALE_USER", "ada:lovelace")
        .start("/");
    doors(&mut app);
    calendar(&mut app);
    event(&mut app);
    search(&mut app);
    the_end_of_it(&mut app);
    app.stop();
}

/// A request of the calendar's owner.
fn ask(app: &Application, request: Request) -> Response {
    let credentials = STANDARD.encode("ada:lovelace");
    Visitor::new(app.address())
        .send(request.header("authorization", &format!("Basic {credentials}")))
}

fn xml(method: &str, target: &str, body: &str) -> Request {
    Request::new(method, target)
        .header("content-type", XML)
        .body(body)
}

/// What a stranger meets.
fn doors(app: &mut Application) {
    let mut stranger = Visitor::new(app.address());
    let start = stranger.get("/");
    app.equal("the start page redirects", start.status(), 302);
    app.equal(
        "it redirects to the site's own page",
        stranger.location("/", &start),
        "/.web".to_owned(),
    );
    let page = stranger.open("/");
    app.equal("the site's own page is there", page.status(), 200);
    let page = page.text();
    app.contains("it is Radicale's", &page, "Radicale");

    let refused = stranger.send(xml("PROPFIND", "/ada/", ""));
    app.equal("a stranger is refused", refused.status(), 401);
    let challenge = refused.head.header("www-authenticate").map(str::to_owned);
    let challenge = challenge.or_else(|| {
        let renamed = refused.head.header("x-amzn-remapped-www-authenticate");
        renamed.map(str::to_owned)
    });
    app.contains(
        "and asked for a password",
        &challenge.unwrap_or_default(),
        "Basic realm=",
    );
    let options = stranger.send(Request::new("OPTIONS", "/"));
    let allowed = options.head.header("allow").unwrap_or_default().to_owned();
    app.contains("its methods are told", &allowed, "MKCALENDAR");
    let dav = options.head.header("dav").unwrap_or_default().to_owned();
    app.contains("it says that it has calendars", &dav, "calendar-access");
}

fn calendar(app: &mut Application) {
    let made = ask(
        app,
        xml(
            "MKCALENDAR",
            CALENDAR,
            r#"<?xml version="1.0"?><c:mkcalendar xmlns="DAV:" xmlns:c="urn:ietf:params:xml:ns:caldav">
            <set><prop><displayname>Analytische Maschine</displayname></prop></set></c:mkcalendar>"#,
        ),
    );
    app.equal("a calendar is made", made.status(), 201);
    let again = ask(app, xml("MKCALENDAR", CALENDAR, ""));
    app.equal("it cannot be made twice", again.status(), 409);
    let found = ask(
        app,
        xml(
            "PROPFIND",
            "/ada/",
            r#"<propfind xmlns="DAV:"><prop><displayname/><resourcetype/></prop></propfind>"#,
        )
        .header("depth", "1"),
    );
    app.equal("the calendars are listed", found.status(), 207);
    app.contains(
        "the list has its name",
        &found.text(),
        "Analytische Maschine",
    );
    app.contains("and its path", &found.text(), CALENDAR);
    let renamed = ask(
        app,
        xml(
            "PROPPATCH",
            CALENDAR,
            r#"<propertyupdate xmlns="DAV:"><set><prop><displayname>Maschine</displayname></prop></set></propertyupdate>"#,
        ),
    );
    app.equal("it is renamed", renamed.status(), 207);
}

fn event(app: &mut Application) {
    let put = || {
        Request::new("PUT", EVENT)
            .header("content-type", "text/calendar; charset=utf-8")
            .header("if-none-match", "*")
            .body(LECTURE)
    };
    let first = ask(app, put());
    app.equal("an event is put in", first.status(), 201);
    let tag = first.head.header("etag").unwrap_or_default().to_owned();
    app.check("it has a tag", tag.starts_with('"') && tag.len() > 10);
    app.equal("it is put in once", ask(app, put()).status(), 412);

    let read = ask(app, Request::get(EVENT));
    app.equal("it is read", read.status(), 200);
    app.equal(
        "under the same tag",
        read.head.header("etag").map(str::to_owned),
        Some(tag),
    );
    app.contains("with its text", &read.text(), "SUMMARY:Über die Maschine");
    let head = ask(app, Request::new("HEAD", EVENT));
    app.equal("its head is read", head.status(), 200);
    app.equal("without a body", head.body().len(), 0);
    app.equal(
        "a change of what is no longer there is refused",
        ask(
            app,
            Request::new("PUT", EVENT)
                .header("if-match", "\"another\"")
                .body(LECTURE),
        )
        .status(),
        412,
    );

    let destination = format!("https://{}/ada/engine/moved.ics", app.address());
    let moved = ask(
        app,
        Request::new("MOVE", EVENT).header("destination", &destination),
    );
    app.equal("it is moved within the site", moved.status(), 201);
    let back = ask(
        app,
        Request::new("MOVE", "/ada/engine/moved.ics")
            .header("destination", &format!("https://{}{EVENT}", app.address())),
    );
    app.equal("and back", back.status(), 201);
    let away = ask(
        app,
        Request::new("MOVE", EVENT).header("destination", "https://elsewhere.example/ada/x.ics"),
    );
    app.equal("it is not moved to another site", away.status(), 502);
}

fn search(app: &mut Application) {
    let query = |from: &str, to: &str| {
        let body = format!(
            r#"<c:calendar-query xmlns="DAV:" xmlns:c="urn:ietf:params:xml:ns:caldav"><prop><getetag/><c:calendar-data/></prop>
            <c:filter><c:comp-filter name="VCALENDAR"><c:comp-filter name="VEVENT">
            <c:time-range start="{from}" end="{to}"/></c:comp-filter></c:comp-filter></c:filter></c:calendar-query>"#
        );
        xml("REPORT", CALENDAR, &body).header("depth", "1")
    };
    let june = ask(app, query("20260601T000000Z", "20260701T000000Z"));
    app.equal("a month is searched", june.status(), 207);
    app.contains("the event is found", &june.text(), "Über die Maschine");
    let july = ask(app, query("20260701T000000Z", "20260801T000000Z"));
    app.check(
        "and not in another month",
        july.status() == 207 && !july.text().contains("SUMMARY"),
    );

    // Three hundred more, in one body of some size.
    let mut many =
        String::from("BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//streamgate//apps//EN\r\n");
    for number in 0..300 {
        write!(
            many,
            "BEGIN:VEVENT\r\nUID:n{number}\r\nDTSTAMP:20260101T000000Z\r\nDTSTART:20260910T100000Z\r\n\
             SUMMARY:Card {number}\r\nDESCRIPTION:{}\r\nEND:VEVENT\r\n",
            "punched ".repeat(100)
        ).expect("a string can be written to");
    }
    many.push_str("END:VCALENDAR\r\n");
    let put = Request::new("PUT", "/ada/cards/")
        .header("content-type", "text/calendar; charset=utf-8")
        .body(many);
    app.equal("a whole calendar is put in", ask(app, put).status(), 201);
    let all = ask(app, Request::get("/ada/cards/"));
    app.equal("it is read as a whole", all.status(), 200);
    app.equal(
        "with all its events",
        all.text().matches("BEGIN:VEVENT").count(),
        300,
    );
}

fn the_end_of_it(app: &mut Application) {
    let gone = ask(app, Request::new("DELETE", EVENT));
    app.equal("the event is deleted", gone.status(), 200);
    app.equal("it is gone", ask(app, Request::get(EVENT)).status(), 404);
    let gone = ask(app, Request::new("DELETE", CALENDAR));
    app.equal("the calendar is deleted", gone.status(), 200);
    app.equal(
        "it is gone too",
        ask(app, xml("PROPFIND", CALENDAR, "")).status(),
        404,
    );
}
