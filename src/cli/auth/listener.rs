//! Waits for a browser to come back from a vendor's login page, on the loopback port of the redirect address.
//!
//! Only a GET of that one path counts. What the browser sent is never shown in the answer; whether it is taken is decided by whoever waits.

use std::convert::Infallible;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{self, HeaderValue};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;

use crate::net::auth::Loopback;

/// Connections that are open at once at most; a browser opens some ahead.
const CONNECTIONS: usize = 32;
/// How long a connection may stay open, and how long the last answers may take to go out, both by the machine's clock.
const CONNECTION_LIFE: Duration = Duration::from_secs(30);
const LAST_WORDS: Duration = Duration::from_secs(1);
/// The pause after a connection that could not be taken.
const ACCEPT_AGAIN: Duration = Duration::from_millis(50);

/// A browser that came back.
pub(super) struct Arrival {
    /// The address it came to, as it says.
    pub address: String,
    /// Where the page goes that answers it.
    pub reply: oneshot::Sender<Page>,
}

/// What the browser is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Page {
    /// The answer was taken.
    Taken,
    /// The person or the vendor said no.
    Declined,
    /// It is not the answer that is waited for.
    Wrong,
}

impl Page {
    fn sentence(self) -> &'static str {
        match self {
            Page::Taken => {
                "ghl-sync has the answer; go back to the terminal to see whether the login worked."
            }
            Page::Declined => {
                "The login was declined; nothing was stored. Go back to the terminal."
            }
            Page::Wrong => {
                "This is not the answer to the login that ghl-sync waits for; open the address that the terminal shows."
            }
        }
    }

    fn status(self) -> StatusCode {
        match self {
            Page::Taken | Page::Declined => StatusCode::OK,
            Page::Wrong => StatusCode::BAD_REQUEST,
        }
    }
}

/// Listens until it is closed or dropped.
pub(super) struct Listener {
    arrivals: mpsc::Receiver<Arrival>,
    closing: watch::Sender<bool>,
    tasks: JoinSet<()>,
}

impl Listener {
    /// Begins to listen on 127.0.0.1 and, when it can, on `[::1]`, as far as the redirect address may mean either.
    ///
    /// Errors: the port is in use or may not be listened on; with the address.
    pub(super) async fn bind(local: &Loopback) -> Result<Listener, (SocketAddr, io::Error)> {
        let mut sockets = Vec::new();
        let hosts = [
            (local.v4, IpAddr::V4(Ipv4Addr::LOCALHOST)),
            (local.v6, IpAddr::V6(Ipv6Addr::LOCALHOST)),
        ];
        for (_, host) in hosts.into_iter().filter(|(is_meant, _)| *is_meant) {
            let address = SocketAddr::new(host, local.port);
            match TcpListener::bind(address).await {
                Ok(socket) => sockets.push(socket),
                // Many machines have no IPv6. A port that another program holds is another matter: the browser would go there.
                Err(error)
                    if host.is_ipv6() && local.v4 && error.kind() != ErrorKind::AddrInUse => {}
                Err(error) => return Err((address, error)),
            }
        }
        let (sender, arrivals) = mpsc::channel(1);
        let (closing, closed) = watch::channel(false);
        let path: Arc<str> = Arc::from(local.path.as_str());
        let mut tasks = JoinSet::new();
        for socket in sockets {
            tasks.spawn(serve(
                socket,
                Arc::clone(&path),
                sender.clone(),
                closed.clone(),
            ));
        }
        Ok(Listener {
            arrivals,
            closing,
            tasks,
        })
    }

    /// Waits for the next browser that comes back.
    pub(super) async fn next(&mut self) -> Arrival {
        match self.arrivals.recv().await {
            Some(arrival) => arrival,
            // The tasks that send live as long as this does.
            None => std::future::pending().await,
        }
    }

    /// Stops listening; answers that are on their way go out first.
    pub(super) async fn close(mut self) {
        let _ = self.closing.send(true);
        self.arrivals.close();
        let all = async { while self.tasks.join_next().await.is_some() {} };
        // A browser that does not read its page is not waited for.
        let _ = tokio::time::timeout(LAST_WORDS, all).await;
    }
}

async fn serve(
    socket: TcpListener,
    path: Arc<str>,
    sender: mpsc::Sender<Arrival>,
    mut closed: watch::Receiver<bool>,
) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            _ = closed.changed() => break,
            accepted = socket.accept() => match accepted {
                Ok((stream, _)) if connections.len() < CONNECTIONS => {
                    let talk = talk(stream, Arc::clone(&path), sender.clone());
                    connections.spawn(async move {
                        let _ = tokio::time::timeout(CONNECTION_LIFE, talk).await;
                    });
                }
                Ok(_) => {}
                Err(_) => tokio::time::sleep(ACCEPT_AGAIN).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
    drop(socket);
    while connections.join_next().await.is_some() {}
}

async fn talk(stream: TcpStream, path: Arc<str>, sender: mpsc::Sender<Arrival>) {
    let service = service_fn(|request| {
        let (path, sender) = (Arc::clone(&path), sender.clone());
        async move { Ok::<_, Infallible>(answer(&request, &path, &sender).await) }
    });
    // A connection that breaks is the browser's business.
    let _ = hyper::server::conn::http1::Builder::new()
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

async fn answer(
    request: &Request<Incoming>,
    path: &str,
    sender: &mpsc::Sender<Arrival>,
) -> Response<Full<Bytes>> {
    let Some(address) = came_to(request, path) else {
        return page(StatusCode::NOT_FOUND, "There is nothing here.");
    };
    let (reply, replied) = oneshot::channel();
    let sent = sender.send(Arrival { address, reply }).await;
    match (sent, replied.await) {
        (Ok(()), Ok(shown)) => page(shown.status(), shown.sentence()),
        (Err(_), _) | (_, Err(_)) => page(
            StatusCode::GONE,
            "ghl-sync does not wait for a login any more.",
        ),
    }
}

/// Returns the address that a browser came to, when it is one that counts: the redirect address, opened by a person and not by another page.
fn came_to(request: &Request<Incoming>, path: &str) -> Option<String> {
    let text = |name: &str| request.headers().get(name)?.to_str().ok();
    // Browsers that say how they come say it of every call; a page that embeds the address says something else.
    let is_opened = text("sec-fetch-mode").is_none_or(|mode| mode == "navigate")
        && text("sec-fetch-dest").is_none_or(|place| place == "document");
    let is_ours = request.method() == Method::GET && request.uri().path() == path && is_opened;
    let host = text("host")?;
    is_ours.then(|| {
        let query = request.uri().query();
        let query = query.map(|query| format!("?{query}")).unwrap_or_default();
        format!("http://{host}{path}{query}")
    })
}

fn page(status: StatusCode, sentence: &str) -> Response<Full<Bytes>> {
    let html = format!(
        "<!doctype html><meta charset=\"utf-8\"><title>ghl-sync</title><p>{sentence}</p>\n"
    );
    let mut response = Response::new(Full::new(Bytes::from(html)));
    *response.status_mut() = status;
    for (name, value) in [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store"),
        // The address holds the code.
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; frame-ancestors 'none'",
        ),
    ] {
        let value = HeaderValue::from_static(value);
        response.headers_mut().insert(name, value);
    }
    response
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    async fn listening() -> (Listener, u16) {
        // A free port, which nobody else takes in between on a machine of tests.
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let local = Loopback {
            v4: true,
            v6: false,
            port,
            path: "/callback".to_owned(),
        };
        (Listener::bind(&local).await.unwrap(), port)
    }

    async fn ask(port: u16, head: &str) -> String {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))
            .await
            .unwrap();
        let request = format!("{head}\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut said = String::new();
        stream.read_to_string(&mut said).await.unwrap();
        said
    }

    #[tokio::test]
    async fn only_the_redirect_address_counts_and_nothing_that_was_sent_is_shown() {
        let (mut listener, port) = listening().await;
        let host = format!("Host: localhost:{port}");
        for other in [
            format!("GET / HTTP/1.1\r\n{host}"),
            format!("GET /favicon.ico HTTP/1.1\r\n{host}"),
            format!("POST /callback?code=c0de HTTP/1.1\r\n{host}"),
            format!("GET /callback?code=c0de HTTP/1.1\r\n{host}\r\nSec-Fetch-Mode: no-cors"),
            format!("GET /callback?code=c0de HTTP/1.1\r\n{host}\r\nSec-Fetch-Dest: iframe"),
        ] {
            let said = ask(port, &other).await;
            assert!(said.starts_with("HTTP/1.1 404"), "{other}: {said}");
        }
        let head = format!("GET /callback?code=c0de&state=x HTTP/1.1\r\n{host}");
        let asked = ask(port, &head);
        let waited = async {
            let arrival = listener.next().await;
            assert_eq!(
                arrival.address,
                format!("http://localhost:{port}/callback?code=c0de&state=x")
            );
            arrival.reply.send(Page::Taken).unwrap();
        };
        let (said, ()) = tokio::join!(asked, waited);
        assert!(said.starts_with("HTTP/1.1 200"), "{said}");
        for part in ["no-store", "no-referrer", "go back to the terminal"] {
            assert!(said.contains(part), "no {part} in {said}");
        }
        assert!(!said.contains("c0de"), "{said}");
        listener.close().await;
        assert!(
            TcpStream::connect((Ipv4Addr::LOCALHOST, port))
                .await
                .is_err()
        );
    }

    #[tokio::test]
    async fn a_port_that_is_in_use_is_an_error() {
        let (_listener, port) = listening().await;
        let local = Loopback {
            v4: true,
            v6: true,
            port,
            path: "/".to_owned(),
        };
        let Err((address, error)) = Listener::bind(&local).await else {
            panic!("it listens twice")
        };
        assert_eq!(address.port(), port);
        assert_eq!(error.kind(), ErrorKind::AddrInUse);
    }
}
