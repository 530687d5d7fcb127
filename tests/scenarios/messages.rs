//! Delivery of messages: RFC 6121 section 8.5, row by row.

use crate::world::world;

/// covers: RFC 6121 8.5.3.1 message
#[tokio::test]
async fn a_message_to_a_full_address_reaches_that_resource_only() {
    let world = world().await;
    let [mut romeo, mut orchard, mut home] = world
        .all_online(["romeo/x", "juliet/orchard", "juliet/home"])
        .await;
    romeo
        .send("<message to='juliet@localhost/orchard' type='chat' id='1'><body>hi</body></message>")
        .await;
    orchard
        .expect("<message from='romeo@localhost/x' type='chat' id='1'><body>hi</body></message>")
        .await;
    home.expect_nothing_from(&mut romeo).await;
}
