//! The faces of Waxwing, its configuration and the wiring that makes one process of them.

pub mod accounts;
pub mod admin;
pub mod app;
pub mod bytestreams;
pub mod check;
pub mod cli;
pub mod config;
pub mod data_folder;
pub mod dns;
mod domains;
pub mod files;
pub mod first_start;
pub mod http;
pub mod integrations;
pub mod json;
pub mod lifecycle;
pub mod net;
pub mod observe;
mod pictures;
pub mod rest;
pub mod service;
pub mod tls;
pub mod welcome;
pub mod xmpp;
