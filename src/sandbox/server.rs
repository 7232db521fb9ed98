//! The HTTP server around the world: one port, keep-alive, one task a connection.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Instant;

use http_body_util::{BodyExt, Limited};
use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use hyper::service::service_fn;
use hyper::{Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::routes;
use super::settings::LOCATION_ID;
use super::wire::{Answer, Delivery, Request, parse_query, percent_decode};
use super::world::World;

/// The largest request body that is read.
const LARGEST_BODY: usize = 8 << 20;

/// The world, as all connections share it.
pub(crate) type Shared = Arc<Mutex<World>>;

/// Locks the world; a panic in another connection does not spoil it.
pub(crate) fn lock(world: &Mutex<World>) -> MutexGuard<'_, World> {
    world.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Accepts connections until the task is aborted; the connections end with it.
pub(crate) async fn serve(listener: TcpListener, world: Shared) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                if let Ok((stream, _)) = accepted {
                    connections.spawn(converse(stream, Arc::clone(&world)));
                }
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn converse(stream: TcpStream, world: Shared) {
    // Without it, small answers would wait for the client's acknowledgment.
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let service = service_fn(move |request| handle(request, Arc::clone(&world)));
    let connection = hyper::server::conn::http1::Builder::new()
        .keep_alive(true)
        .serve_connection(TokioIo::new(stream), service);
    // A connection ends in an error when the client goes or a fault wants it; both are ordinary here.
    drop(connection.await);
}

async fn handle(request: hyper::Request<Incoming>, world: Shared) -> io::Result<Response<Reply>> {
    let at = Instant::now();
    let (head, body) = request.into_parts();
    let body = Limited::new(body, LARGEST_BODY).collect().await;
    let body = body
        .map_err(|_| io::Error::from(io::ErrorKind::InvalidData))?
        .to_bytes();
    let (vendor, path) = routes::vendor(head.uri.path());
    let is = |wanted: &str| {
        let kind = head.headers.get("content-type");
        kind.is_some_and(|kind| kind.to_str().is_ok_and(|kind| kind.starts_with(wanted)))
    };
    let form = match is("application/x-www-form-urlencoded") {
        true => parse_query(&String::from_utf8_lossy(&body)),
        false => Vec::new(),
    };
    let parsed = match is("application/json") && !body.is_empty() {
        true => serde_json::from_slice(&body).map(Some),
        false => Ok(None),
    };
    let request = Request {
        method: head.method.to_string(),
        path: percent_decode(path, false),
        query: parse_query(head.uri.query().unwrap_or("")),
        headers: head.headers,
        form,
        garbled: parsed.is_err(),
        body: parsed.ok().flatten(),
    };
    let mut request = request;
    let answer = {
        let mut world = lock(&world);
        let outside = world.settings.location.clone();
        let at = match world.settings.limits_in_virtual_time {
            true => world.clock.instant(),
            false => at,
        };
        if outside == LOCATION_ID {
            world.answer(vendor, &request, at)
        } else {
            request.rename(&outside, LOCATION_ID);
            let mut answer = world.answer(vendor, &request, at);
            answer.rename(LOCATION_ID, &outside);
            answer
        }
    };
    if !answer.delay.is_zero() {
        tokio::time::sleep(answer.delay).await;
    }
    respond(answer)
}

fn respond(answer: Answer) -> io::Result<Response<Reply>> {
    if answer.delivery == Delivery::Dropped {
        return Err(io::Error::from(io::ErrorKind::ConnectionReset));
    }
    let mut response = Response::builder()
        .status(StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR))
        .header("content-type", answer.content_type);
    for (name, value) in answer.headers {
        response = response.header(name, value);
    }
    let broken = answer.delivery == Delivery::Broken;
    response
        .body(Reply::new(answer.body, broken))
        .map_err(io::Error::other)
}

/// A body that can end before its announced length.
struct Reply {
    rest: Option<Bytes>,
    announced: u64,
    broken: bool,
}

impl Reply {
    fn new(body: Vec<u8>, broken: bool) -> Reply {
        let announced = body.len() as u64;
        let mut rest = Bytes::from(body);
        if broken {
            rest.truncate(rest.len() / 2);
        }
        Reply {
            rest: Some(rest).filter(|rest| !rest.is_empty()),
            announced,
            broken,
        }
    }
}

impl Body for Reply {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let reply = self.get_mut();
        match (reply.rest.take(), reply.broken) {
            (Some(bytes), _) => Poll::Ready(Some(Ok(Frame::data(bytes)))),
            (None, true) => Poll::Ready(Some(Err(io::Error::from(io::ErrorKind::ConnectionReset)))),
            (None, false) => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_none() && !self.broken
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(match (&self.rest, self.broken) {
            (Some(_), _) | (None, true) => self.announced,
            (None, false) => 0,
        })
    }
}
