//! Something that is posted to over HTTP: it keeps what came, and answers as it is told.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::server::PATIENCE;
use crate::web::Answer;

/// A status that stands for no answer at all: the post is kept, and whoever sent it waits.
pub const NO_ANSWER: u16 = 0;

/// What was posted.
#[derive(Debug, Clone)]
pub struct Posted {
    /// The request line and the headers.
    pub head: String,
    /// What followed.
    pub body: Vec<u8>,
}

impl Posted {
    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<String> {
        let answer = Answer { head: self.head.clone(), ..Answer::default() };
        answer.header(name).map(str::to_owned)
    }

    /// What followed, as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).expect("JSON")
    }
}

/// A server that takes posts. It ends when it is dropped.
pub struct Receiver {
    /// Its address, `127.0.0.1:PORT`.
    pub address: String,
    statuses: Arc<Mutex<VecDeque<u16>>>,
    posts: mpsc::UnboundedReceiver<Posted>,
    task: JoinHandle<()>,
}

impl Receiver {
    /// Starts one on a free port. It answers 204 unless it is told otherwise.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound").to_string();
        let statuses: Arc<Mutex<VecDeque<u16>>> = Arc::default();
        let (told, posts) = mpsc::unbounded_channel();
        let answers = Arc::clone(&statuses);
        let task = tokio::spawn(async move {
            let mut unanswered = Vec::new();
            while let Ok((stream, _)) = listener.accept().await {
                let status =
                    answers.lock().unwrap_or_else(PoisonError::into_inner).pop_front().unwrap_or(204);
                if let Some((posted, stream)) = take(stream, status).await {
                    drop(told.send(posted));
                    unanswered.extend(Some(stream).filter(|_| status == NO_ANSWER));
                }
            }
        });
        Self { address, statuses, posts, task }
    }

    /// Answers the next posts with these statuses.
    pub fn answer(&self, statuses: &[u16]) {
        self.statuses.lock().unwrap_or_else(PoisonError::into_inner).extend(statuses);
    }

    /// The next post.
    pub async fn next(&mut self) -> Posted {
        timeout(PATIENCE, self.posts.recv()).await.expect("a post in time").expect("the receiver runs")
    }

    /// A post, if one has come.
    pub fn try_next(&mut self) -> Option<Posted> {
        self.posts.try_recv().ok()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn take(mut stream: TcpStream, status: u16) -> Option<(Posted, TcpStream)> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 16_384];
    loop {
        let posted = Answer::parse(&bytes);
        let whole = bytes.windows(4).any(|four| four == b"\r\n\r\n");
        let length = posted.header("content-length").and_then(|length| length.parse::<usize>().ok());
        if whole && posted.body.len() >= length.unwrap_or(0) {
            let answer = format!("HTTP/1.1 {status} -\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            if status != NO_ANSWER {
                stream.write_all(answer.as_bytes()).await.ok()?;
            }
            return Some((Posted { head: posted.head, body: posted.body }, stream));
        }
        match stream.read(&mut buffer).await {
            Ok(read @ 1..) => bytes.extend_from_slice(&buffer[..read]),
            _ => return None,
        }
    }
}
