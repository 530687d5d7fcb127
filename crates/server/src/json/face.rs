//! The JSON face as a whole: what its connections share.

use std::sync::{Arc, PoisonError, RwLock};

use waxwing_chat::Chat;

use super::config::Config;
use super::connection;
use crate::http::{WebSocketConn, WebSocketFace};
use crate::lifecycle::Lifecycle;

/// What all connections of the JSON face share.
pub struct Face {
    pub(crate) chat: Arc<Chat>,
    pub(crate) lifecycle: Lifecycle,
    current: RwLock<Current>,
}

/// What a reload replaces.
#[derive(Clone)]
pub(crate) struct Current {
    pub(crate) config: Arc<Config>,
    pub(crate) authentication_timeout_ms: u64,
}

impl Current {
    fn new(settings: &crate::config::Config) -> Self {
        Self {
            config: Arc::new(settings.json.clone()),
            authentication_timeout_ms: settings.limits.authentication_timeout_ms,
        }
    }
}

impl Face {
    /// Puts the face together.
    pub fn new(chat: Arc<Chat>, lifecycle: Lifecycle, settings: &crate::config::Config) -> Arc<Self> {
        Arc::new(Self { chat, lifecycle, current: RwLock::new(Current::new(settings)) })
    }

    /// Puts another configuration in force for connections that come from now on.
    pub fn reload(&self, settings: &crate::config::Config) {
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Current::new(settings);
    }

    pub(crate) fn current(&self) -> Current {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The face as the HTTP listener sees it.
pub struct OverWebSocket(pub Arc<Face>);

impl WebSocketFace for OverWebSocket {
    fn serve(&self, conn: WebSocketConn) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send>> {
        let face = Arc::clone(&self.0);
        Box::pin(connection::serve(face, conn))
    }
}
