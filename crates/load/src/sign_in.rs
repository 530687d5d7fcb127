//! Signing in with SASL (RFC 6120 section 6): PLAIN and SCRAM.

use anyhow::{Context as _, Result, bail, ensure};
use base64::prelude::{BASE64_STANDARD, Engine as _};
use waxwing_xmpp::ns;
use waxwing_xmpp::sasl::{Hash, ScramClient};
use waxwing_xmpp::xml::Element;

use crate::client::Client;
use crate::random;

/// Authenticates the client's account; the stream has to be opened anew after it.
pub(crate) async fn authenticate(client: &mut Client) -> Result<()> {
    let candidates = client.target.options.mechanism.candidates();
    let offered = offered(&client.features);
    let name = |hash: Option<Hash>| hash.map_or("PLAIN", Hash::mechanism_name);
    let chosen = candidates.into_iter().find(|hash| offered.iter().any(|offered| offered == name(*hash)));
    match chosen {
        Some(Some(hash)) => scram(client, hash).await,
        Some(None) => plain(client).await,
        None => bail!("the server offers {offered:?} only"),
    }
}

fn offered(features: &Element) -> Vec<String> {
    let mechanisms = features.root().child(ns::SASL, "mechanisms");
    let names = mechanisms.into_iter().flat_map(|list| list.children());
    names.filter(|child| child.is(ns::SASL, "mechanism")).map(|child| child.text().into_owned()).collect()
}

/// RFC 4616.
async fn plain(client: &mut Client) -> Result<()> {
    let message = format!("\0{}\0{}", client.username, client.target.options.password);
    let answer = client.ask(&auth("PLAIN", &message)).await?;
    ensure!(answer.is(ns::SASL, "success"), "{} cannot sign in: {answer:?}", client.username);
    Ok(())
}

/// RFC 5802, without channel binding. What the password becomes is computed once for each salt.
async fn scram(client: &mut Client, hash: Hash) -> Result<()> {
    let target = client.target.clone();
    let scram = ScramClient::new(hash, &client.username, &target.options.password, &random::token(), None);
    let challenge = client.ask(&auth(hash.mechanism_name(), &scram.first())).await?;
    ensure!(challenge.is(ns::SASL, "challenge"), "{} cannot sign in: {challenge:?}", client.username);
    let (message, proof) = scram.last_with(&decode(&challenge)?, None, |password, salt, iterations| {
        let mut salted = target.salted.borrow_mut();
        let computed = salted
            .entry((hash, salt.to_vec(), iterations))
            .or_insert_with(|| hash.salted_password(password, salt, iterations));
        computed.clone()
    })?;
    let response = format!("<response xmlns='{}'>{}</response>", ns::SASL, BASE64_STANDARD.encode(message));
    let success = client.ask(&response).await?;
    ensure!(success.is(ns::SASL, "success"), "{} cannot sign in: {success:?}", client.username);
    proof.verify(&decode(&success)?)?;
    Ok(())
}

fn auth(mechanism: &str, message: &str) -> String {
    let message = BASE64_STANDARD.encode(message);
    format!("<auth xmlns='{}' mechanism='{mechanism}'>{message}</auth>", ns::SASL)
}

fn decode(element: &Element) -> Result<String> {
    let bytes = BASE64_STANDARD.decode(element.text().trim()).context("the server's base64 is broken")?;
    Ok(String::from_utf8(bytes)?)
}
