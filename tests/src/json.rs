//! A client of the JSON face: it sends what a test tells it, and keeps results and events apart.

use std::collections::VecDeque;

use anyhow::{Context as _, Result, bail};
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::{WebSocketStream, client_async};

use crate::server::{PATIENCE, Server};
use crate::world::password;

/// A connection to the JSON face.
pub struct Json {
    socket: WebSocketStream<TcpStream>,
    events: VecDeque<Value>,
    next: i64,
    closed_with: Option<u16>,
}

impl Json {
    /// Connects, as a program that is no browser does.
    pub async fn connect(server: &Server) -> Result<Self> {
        Self::connect_with(server, &[("Sec-WebSocket-Protocol", "waxwing.v1")]).await
    }

    /// Connects with these headers.
    pub async fn connect_with(server: &Server, headers: &[(&'static str, &str)]) -> Result<Self> {
        let address = &server.addresses().http;
        let stream = TcpStream::connect(address).await.with_context(|| format!("connecting to {address}"))?;
        stream.set_nodelay(true)?;
        let mut request = format!("ws://{address}/api/socket").into_client_request()?;
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse()?);
        }
        let (socket, _) = client_async(request, stream).await?;
        Ok(Self { socket, events: VecDeque::new(), next: 0, closed_with: None })
    }

    /// Connects and signs in by password, from a device.
    pub async fn signed_in(server: &Server, user: &str, device: &str) -> Result<(Self, Value)> {
        let mut client = Self::connect(server).await?;
        let answer = client.call("session.sign_in", by_password(user, &password(user), device)).await?;
        let result =
            answer.get("result").with_context(|| format!("{user} was not let in: {answer}"))?.clone();
        Ok((client, result))
    }

    /// The status code with which the server has closed the connection, if it gave one (RFC 6455 section 7.4).
    pub fn closed_with(&self) -> Option<u16> {
        self.closed_with
    }

    /// Sends a frame as it is.
    pub async fn send_raw(&mut self, frame: &str) -> Result<()> {
        Ok(self.socket.send(Message::text(frame)).await?)
    }

    /// The next frame; `None` when the server has closed the connection.
    pub async fn receive(&mut self) -> Result<Option<Value>> {
        loop {
            let frame = timeout(PATIENCE, self.socket.next()).await.context("the server says nothing")?;
            match frame {
                Some(Ok(Message::Text(text))) => return Ok(Some(serde_json::from_str(&text)?)),
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                Some(Ok(Message::Close(frame))) => {
                    self.closed_with = frame.map(|frame| frame.code.into());
                    return Ok(None);
                }
                Some(Err(_)) | None => return Ok(None),
                Some(Ok(other)) => bail!("only text is sent, not {other:?}"),
            }
        }
    }

    /// Sends a request, and waits for its whole answer. Events that come meanwhile are kept.
    pub async fn call(&mut self, method: &str, params: Value) -> Result<Value> {
        self.next += 1;
        let id = self.next;
        let request = json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params });
        self.send_raw(&request.to_string()).await?;
        loop {
            let frame =
                self.receive().await?.with_context(|| format!("closed before `{method}` was answered"))?;
            if frame["method"] == "event" {
                self.events.push_back(frame["params"].clone());
            } else if frame["id"] == id {
                return Ok(frame);
            } else {
                bail!("an answer to another request: {frame}");
            }
        }
    }

    /// The result of a request that succeeds.
    pub async fn ask(&mut self, method: &str, params: Value) -> Value {
        let answer = self.call(method, params).await.unwrap_or_else(|error| panic!("{method}: {error:#}"));
        answer.get("result").unwrap_or_else(|| panic!("{method} was refused: {answer}")).clone()
    }

    /// The results of several requests that are made at one time, in their order.
    pub async fn ask_all(&mut self, method: &str, params: Vec<Value>) -> Vec<Value> {
        let first = self.next + 1;
        for params in &params {
            self.next += 1;
            let request = json!({ "jsonrpc": "2.0", "id": self.next, "method": method, "params": params });
            self.send_raw(&request.to_string()).await.unwrap_or_else(|error| panic!("{method}: {error:#}"));
        }
        let mut results = Vec::with_capacity(params.len());
        while results.len() < params.len() {
            let frame = self.receive().await.unwrap_or_else(|error| panic!("{method}: {error:#}"));
            let frame = frame.unwrap_or_else(|| panic!("closed before `{method}` was answered"));
            if frame["method"] == "event" {
                self.events.push_back(frame["params"].clone());
                continue;
            }
            let due = first + i64::try_from(results.len()).unwrap_or(i64::MAX);
            assert_eq!(frame["id"], due, "an answer out of turn: {frame}");
            results.push(frame.get("result").unwrap_or_else(|| panic!("{method}: {frame}")).clone());
        }
        results
    }

    /// What is said of a request that is refused: the whole error.
    pub async fn refused(&mut self, method: &str, params: Value) -> Value {
        let answer = self.call(method, params).await.unwrap_or_else(|error| panic!("{method}: {error:#}"));
        answer.get("error").unwrap_or_else(|| panic!("{method} was not refused: {answer}")).clone()
    }

    /// The next event of a type; others before it are left out.
    pub async fn event(&mut self, kind: &str) -> Value {
        loop {
            let event = match self.events.pop_front() {
                Some(event) => event,
                None => {
                    let frame = self.receive().await.unwrap_or_else(|error| panic!("{kind}: {error:#}"));
                    let frame = frame.unwrap_or_else(|| panic!("closed before an event `{kind}` came"));
                    assert_eq!(frame["method"], "event", "an answer nobody waits for: {frame}");
                    frame["params"].clone()
                }
            };
            if event["type"] == kind {
                return event;
            }
        }
    }

    /// The events that came while answers were waited for, and have not been looked at.
    pub fn told(&mut self) -> Vec<Value> {
        self.events.drain(..).collect()
    }

    /// Waits until the server has closed the connection.
    pub async fn expect_end(&mut self) {
        while let Some(frame) = self.receive().await.unwrap_or_else(|error| panic!("{error:#}")) {
            assert_eq!(frame["method"], "event", "an answer nobody waits for: {frame}");
        }
    }
}

/// The parameters of a sign-in by password.
pub fn by_password(user: &str, password: &str, device: &str) -> Value {
    let address = if user.contains('@') { user.to_owned() } else { format!("{user}@localhost") };
    json!({
        "protocol": 1,
        "credentials": { "type": "password", "address": address, "password": password },
        "client": { "name": "Test", "device": device, "version": "1" },
    })
}

/// The parameters of a sign-in by token.
pub fn by_token(token: &str, device: &str) -> Value {
    json!({
        "protocol": 1,
        "credentials": { "type": "token", "token": token },
        "client": { "name": "Test", "device": device },
    })
}
