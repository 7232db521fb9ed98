//! A listener on the loopback address that keeps what it is told.

use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// One request.
#[derive(Clone, Debug)]
struct Heard {
    path: String,
    body: String,
}

/// Answers every POST with one status, and keeps path and body. Stops when it is dropped.
pub(crate) struct Listener {
    port: u16,
    path: String,
    status: Arc<AtomicU16>,
    heard: Arc<Mutex<Vec<Heard>>>,
    serving: JoinHandle<()>,
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// The status that stands for no answer at all.
const SILENCE: u16 = 0;

impl Listener {
    pub(crate) async fn start() -> Listener {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let number = COUNT.fetch_add(1, Ordering::SeqCst);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let status = Arc::new(AtomicU16::new(200));
        let heard = Arc::new(Mutex::new(Vec::new()));
        let serving = {
            let (status, heard) = (Arc::clone(&status), Arc::clone(&heard));
            tokio::spawn(async move {
                while let Ok((stream, _)) = listener.accept().await {
                    tokio::spawn(serve(stream, Arc::clone(&status), Arc::clone(&heard)));
                }
            })
        };
        Listener {
            port,
            path: format!("/hooks/hidden-{number}-0123456789abcdef"),
            status,
            heard,
            serving,
        }
    }

    /// Returns its address, the secret.
    pub(crate) fn address(&self) -> String {
        format!("http://127.0.0.1:{}{}", self.port, self.path)
    }

    /// Returns the secret part of its address.
    pub(crate) fn path(&self) -> String {
        self.path.clone()
    }

    /// Answers with this status from now on.
    pub(crate) fn answer(&self, status: u16) {
        self.status.store(status, Ordering::SeqCst);
    }

    /// Answers nothing from now on.
    pub(crate) fn hang(&self) {
        self.answer(SILENCE);
    }

    fn heard(&self) -> Vec<Heard> {
        self.heard.lock().unwrap().clone()
    }

    /// Returns the paths that were called.
    pub(crate) fn paths(&self) -> Vec<String> {
        self.heard().into_iter().map(|heard| heard.path).collect()
    }

    /// Returns the bodies as they came.
    pub(crate) fn texts(&self) -> Vec<String> {
        self.heard().into_iter().map(|heard| heard.body).collect()
    }

    /// Returns the bodies as JSON.
    pub(crate) fn bodies(&self) -> Vec<Value> {
        let texts = self.texts().into_iter();
        texts
            .map(|text| serde_json::from_str(&text).unwrap())
            .collect()
    }
}

async fn serve(mut stream: TcpStream, status: Arc<AtomicU16>, heard: Arc<Mutex<Vec<Heard>>>) {
    let mut bytes = Vec::new();
    let (head, length) = loop {
        let mut some = [0; 4_096];
        match stream.read(&mut some).await {
            Ok(0) | Err(_) => return,
            Ok(read) => bytes.extend_from_slice(&some[..read]),
        }
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let Some((head, _)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            let is_length = name.eq_ignore_ascii_case("content-length");
            is_length.then(|| value.trim().parse::<usize>().unwrap())
        });
        if bytes.len() >= head.len() + 4 + length.unwrap_or(0) {
            break (head.to_owned(), length.unwrap_or(0));
        }
    };
    let body = bytes[head.len() + 4..head.len() + 4 + length].to_vec();
    let path = head.split(' ').nth(1).unwrap().to_owned();
    heard.lock().unwrap().push(Heard {
        path,
        body: String::from_utf8(body).unwrap(),
    });
    let status = status.load(Ordering::SeqCst);
    if status == SILENCE {
        // Held open until the other side goes.
        let _ = stream.read(&mut [0; 16]).await;
        return;
    }
    let pause = match status {
        429 => "Retry-After: 60\r\n",
        _ => "",
    };
    let answer =
        format!("HTTP/1.1 {status} Said\r\nContent-Length: 0\r\nConnection: close\r\n{pause}\r\n");
    let _ = stream.write_all(answer.as_bytes()).await;
}
