//! Passwords made by the server: hard to guess, possible to type.

use waxwing_chat::Chat;

/// Seven groups of four letters and digits: 140 bits, without characters that are taken for one another.
pub fn generate(chat: &Chat) -> String {
    // A token has 32 characters of base 32; `0`, `1`, `8` and `9` are not among them.
    let token = chat.token();
    let groups: Vec<&str> = (0..7).filter_map(|group| token.get(group * 4..group * 4 + 4)).collect();
    groups.join("-")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use waxwing_chat::port::{SystemClock, SystemRandom};
    use waxwing_chat::settings::Settings;
    use waxwing_storage::sqlite::{Options, Sqlite};

    use super::*;
    use crate::tls::testing::Scratch;

    #[tokio::test]
    async fn passwords_are_long_and_differ() {
        let scratch = Scratch::new();
        let store = Sqlite::open(&scratch.path().join("waxwing.db"), Options::default()).expect("opened");
        let chat =
            Chat::new(Arc::new(store), Arc::new(SystemClock), Arc::new(SystemRandom), Settings::default());
        let (a, b) = (generate(&chat), generate(&chat));
        assert_ne!(a, b);
        assert_eq!(a.len(), 34);
        assert!(
            a.split('-').all(|group| group.len() == 4 && group.bytes().all(|c| c.is_ascii_alphanumeric()))
        );
    }
}
