// SPDX-License-Identifier: Apache-2.0
//! What is asked again, and what is not.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};

use http_body_util::BodyExt as _;

use super::*;

/// Reads a request, which fits into one segment.
fn read_request(stream: &mut TcpStream) {
    let mut block = [0; 4096];
    assert!(stream.read(&mut block).unwrap() > 0);
}

fn request() -> Request<RequestBody> {
    Request::get("/")
        .body(RequestBody::from(bytes::Bytes::new()))
        .unwrap()
}

#[tokio::test(flavor = "current_thread")]
async fn a_request_that_an_app_ended_of_is_not_sent_to_its_successor() {
    for is_replaced in [false, true] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let client = Client::to_app(Authority::resolve("127.0.0.1", port).unwrap());
        let (reached, mut second_came) = tokio::sync::mpsc::unbounded_channel();
        let (close, may_close) = std::sync::mpsc::channel();
        let app = std::thread::spawn(move || {
            let (mut first, _) = listener.accept().unwrap();
            read_request(&mut first);
            first.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").unwrap();
            read_request(&mut first);
            reached.send(()).unwrap();
            may_close.recv().unwrap();
            drop(first);
            if !is_replaced {
                let (mut second, _) = listener.accept().unwrap();
                read_request(&mut second);
                second
                    .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
                    .unwrap();
            }
            // A connection that was made after all would be in the backlog.
            listener.set_nonblocking(true).unwrap();
            assert!(listener.accept().is_err());
        });
        let first = client.send(request()).await.unwrap();
        assert_eq!(first.status(), 204);
        // To its end, so that the connection is kept.
        let _ = first.into_body().collect().await.unwrap();
        let sending = client.send(request());
        let closing = async {
            second_came.recv().await.unwrap();
            if is_replaced {
                client.forget_idle();
            }
            close.send(()).unwrap();
        };
        let (second, ()) = tokio::join!(sending, closing);
        match second {
            Ok(answer) => assert!(!is_replaced && answer.status() == 200),
            Err(error) => assert!(
                is_replaced
                    && matches!(
                        error,
                        TransportError::Closed { .. } | TransportError::NoResponse { .. }
                    ),
                "{error}"
            ),
        }
        app.join().unwrap();
    }
}
