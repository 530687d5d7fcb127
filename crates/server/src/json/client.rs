//! The client at the other end of a connection: its session, and what it has told about itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use waxwing_chat::session::Session;

/// What the server knows of a client that has signed in.
#[derive(Debug)]
pub(crate) struct Client {
    /// Its session.
    pub(crate) session: Arc<Session>,
    /// The id of its device.
    pub(crate) device: String,
    /// Somebody looks at it.
    active: AtomicBool,
    /// It has come in step, and others see it.
    in_step: AtomicBool,
    /// It wants to leave for good.
    signed_out: AtomicBool,
}

impl Client {
    pub(crate) fn new(session: Arc<Session>, device: String) -> Self {
        Self {
            session,
            device,
            active: AtomicBool::new(true),
            in_step: AtomicBool::new(false),
            signed_out: AtomicBool::new(false),
        }
    }

    /// Whether somebody looks at it.
    pub(crate) fn is_active(&self) -> bool {
        self.active.load(Ordering::Acquire)
    }

    /// Notes whether somebody looks at it; says whether that is new.
    pub(crate) fn set_active(&self, active: bool) -> bool {
        self.active.swap(active, Ordering::AcqRel) != active
    }

    /// Whether it has come in step with the server, and is told messages.
    pub(crate) fn is_in_step(&self) -> bool {
        self.in_step.load(Ordering::Acquire)
    }

    /// Notes that it comes in step; says whether that is new.
    pub(crate) fn set_in_step(&self) -> bool {
        !self.in_step.swap(true, Ordering::AcqRel)
    }

    /// Ends the session once what was asked before is answered.
    pub(crate) fn sign_out(&self) {
        self.signed_out.store(true, Ordering::Release);
    }

    /// Whether it has signed out.
    pub(crate) fn has_signed_out(&self) -> bool {
        self.signed_out.load(Ordering::Acquire)
    }
}
