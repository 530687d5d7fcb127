//! One order: account, authorization, proof, certificate (RFC 8555 section 7.1).

use std::path::Path;
use std::time::Duration;

use instant_acme::{
    Account, AccountCredentials, AuthorizationStatus, ChallengeType, Identifier, NewAccount, NewOrder,
    OrderStatus, RetryPolicy,
};
use rcgen::{CertificateParams, KeyPair};
use serde::{Deserialize, Serialize};

use super::{Challenge, Challenges, Config};
use crate::tls::self_signed::write_private;

/// The polls of one state of an order: from 1 s, growing, for 2 minutes.
const POLLS: RetryPolicy =
    RetryPolicy::new().initial_delay(Duration::from_secs(1)).backoff(1.5).timeout(Duration::from_secs(120));

/// The account as it is kept: of no use at another directory.
#[derive(Serialize, Deserialize)]
struct KeptAccount {
    directory: String,
    credentials: AccountCredentials,
}

/// Orders a certificate for a domain (in A-labels); gives the key and the chain in one PEM text.
pub(super) async fn certificate(
    config: &Config,
    data_dir: &Path,
    domain: &str,
    challenges: &Challenges,
) -> anyhow::Result<String> {
    let account = account(config, data_dir).await?;
    let identifiers = [Identifier::Dns(domain.to_owned())];
    let mut order = account.new_order(&NewOrder::new(&identifiers)).await?;
    let wanted = match config.challenge {
        Challenge::Http => ChallengeType::Http01,
        Challenge::TlsAlpn => ChallengeType::TlsAlpn01,
    };
    // Open until the order is ready: an authority may ask more than once, from several places.
    let mut open = Vec::new();
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization = authorization?;
        match authorization.status {
            AuthorizationStatus::Valid => continue,
            AuthorizationStatus::Pending => {}
            status => anyhow::bail!("the authorization is {status:?}"),
        }
        let Some(mut challenge) = authorization.challenge(wanted.clone()) else {
            anyhow::bail!("the authority does not offer {}", config.challenge.as_str());
        };
        let proof = challenge.key_authorization();
        open.push(match config.challenge {
            Challenge::Http => challenges.open_http(&challenge.token, proof.as_str()),
            Challenge::TlsAlpn => challenges.open_tls(domain, proof.digest().as_ref())?,
        });
        challenge.set_ready().await?;
    }
    let status = order.poll_ready(&POLLS).await?;
    if status != OrderStatus::Ready {
        anyhow::bail!(
            "the order is {status:?}: the authority could not see that the domain is ours{}",
            why(&mut order).await
        );
    }
    drop(open);
    // A new key each time: a key that leaked is of use until the next renewal at the longest.
    let key = KeyPair::generate()?;
    let request = CertificateParams::new(vec![domain.to_owned()])?.serialize_request(&key)?;
    order.finalize_csr(request.der()).await?;
    let chain = order.poll_certificate(&POLLS).await?;
    Ok(format!("{}{chain}", key.serialize_pem()))
}

/// What the authority says about the challenges that failed.
async fn why(order: &mut instant_acme::Order) -> String {
    let mut reasons = String::new();
    let mut authorizations = order.authorizations();
    while let Some(Ok(mut authorization)) = authorizations.next().await {
        let Ok(state) = authorization.refresh().await else {
            continue;
        };
        for error in state.challenges.iter().filter_map(|challenge| challenge.error.as_ref()) {
            reasons.push_str(&format!("; {error}"));
        }
    }
    reasons
}

/// The account of before, or a new one.
async fn account(config: &Config, data_dir: &Path) -> anyhow::Result<Account> {
    let builder = || match &config.authority {
        Some(file) => Account::builder_with_root(file),
        None => Account::builder(),
    };
    let file = data_dir.join("acme").join("account.json");
    if let Ok(text) = std::fs::read(&file) {
        let kept: KeptAccount = serde_json::from_slice(&text)?;
        if kept.directory == config.directory {
            return Ok(builder()?.from_credentials(kept.credentials).await?);
        }
    }
    let contact: Vec<String> = config.contact.iter().map(|address| format!("mailto:{address}")).collect();
    let contact: Vec<&str> = contact.iter().map(String::as_str).collect();
    let new = NewAccount { contact: &contact, terms_of_service_agreed: true, only_return_existing: false };
    let (account, credentials) = builder()?.create(&new, config.directory.clone(), None).await?;
    let kept = KeptAccount { directory: config.directory.clone(), credentials };
    write_private(&file, &serde_json::to_vec(&kept)?)?;
    Ok(account)
}
