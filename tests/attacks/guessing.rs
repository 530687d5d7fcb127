//! Guessing passwords: from one address, from a whole network, from everywhere; and what an answer gives away.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use waxwing_tests::World;
use waxwing_tests::login::nonce;
use waxwing_tests::scram::{Hash, Scram};
use waxwing_tests::world::password;

use crate::sign_in::{self, PROFILES, Profile, SCRAM, secured_from, verdict};
use crate::world::{figure, size, world};

/// One wrong guess at a password, without the work of deriving a key from it.
async fn guess(world: &World, source: [u8; 4], user: &str) -> String {
    let mut client = secured_from(world, source).await.expect("a stream");
    let first = format!("n,,n={user},r={}", nonce());
    let challenge = sign_in::begin(&mut client, Profile::Sasl1, "SCRAM-SHA-256", first.as_bytes()).await;
    let challenge = challenge.expect("an answer");
    if challenge.name != "challenge" {
        return verdict(&challenge).to_owned();
    }
    let server_first = sign_in::data(&challenge).expect("text");
    let nonce = server_first.split(',').next().unwrap_or_default();
    let last = format!("c=biws,{nonce},p={}", BASE64.encode([7; 32]));
    let outcome = sign_in::respond(&mut client, Profile::Sasl1, &last).await.expect("an answer");
    verdict(&outcome).to_owned()
}

/// The owner of an account signs in from an address and is heard.
async fn owner_gets_in(world: &World, source: [u8; 4], user: &str) {
    let mut client = secured_from(world, source).await.unwrap();
    client.sign_in(user, &password(user), "home").await.unwrap();
    client.round_trip().await;
}

/// Guesses at the same time, and how often each answer was given.
async fn guesses(world: &World, what: Vec<([u8; 4], String)>) -> BTreeMap<String, usize> {
    let all = what.iter().map(|(source, user)| guess(world, *source, user));
    let mut answers = BTreeMap::new();
    for answer in futures_util::future::join_all(all).await {
        *answers.entry(answer).or_insert(0) += 1;
    }
    answers
}

/// Whoever guesses from one address is answered a handful of times, and then told to come back later. Meanwhile the owner
/// signs in from elsewhere as if nothing was.
#[tokio::test]
async fn one_address_guesses_a_handful_of_times() {
    let world = world().await;
    world.user("romeo");
    let start = Instant::now();
    let attack = guesses(&world, vec![([127, 0, 0, 1], "romeo".to_owned()); 60]);
    let (answers, ()) = tokio::join!(attack, async {
        owner_gets_in(&world, [127, 66, 0, 1], "romeo").await;
    });
    figure(&format!(
        "60 guesses at once from one address: {answers:?} in {:.1} s",
        start.elapsed().as_secs_f64()
    ));
    let answered = answers.get("not-authorized").copied().unwrap_or_default();
    assert!(answered <= 12, "{answers:?}");
    assert_eq!(answers.get("temporary-auth-failure"), Some(&(60 - answered)), "{answers:?}");
    owner_gets_in(&world, [127, 66, 0, 1], "romeo").await;
}

/// The neighbours of an address count with it, and other accounts too: a password tried on everyone is slowed as well.
#[tokio::test]
async fn one_network_sprays_a_few_dozen_accounts() {
    let world = world().await;
    world.user("romeo");
    // Who has signed in from this network before is not slowed by what a neighbour does.
    owner_gets_in(&world, [127, 20, 0, 200], "romeo").await;
    let what = (0..100).map(|n| ([127, 20, 0, n + 1], format!("user{n}"))).collect();
    let answers = guesses(&world, what).await;
    figure(&format!("100 accounts tried at once from one /24 network: {answers:?}"));
    let answered = answers.get("not-authorized").copied().unwrap_or_default();
    assert!(answered <= 40, "{answers:?}");
    assert_eq!(answers.get("temporary-auth-failure"), Some(&(100 - answered)), "{answers:?}");
    owner_gets_in(&world, [127, 20, 0, 200], "romeo").await;
    owner_gets_in(&world, [127, 21, 0, 1], "romeo").await;
}

/// A guess from each of many networks is answered, but nobody is locked out by it: neither the owner where he has been
/// before nor the owner at a new place, and no more than the budget is answered without delay.
#[tokio::test]
async fn many_networks_lock_nobody_out() {
    let world = world().await;
    world.user("romeo");
    owner_gets_in(&world, [127, 66, 0, 1], "romeo").await;
    let count = size(5_000, 700);
    let start = Instant::now();
    let mut answers = BTreeMap::new();
    let sources: Vec<([u8; 4], String)> =
        (0..count).map(|n| ([127, 100 + (n / 250) as u8, (n % 250) as u8, 1], "romeo".to_owned())).collect();
    for batch in sources.chunks(350) {
        for (answer, times) in guesses(&world, batch.to_vec()).await {
            *answers.entry(answer).or_insert(0) += times;
        }
        owner_gets_in(&world, [127, 66, 0, 9], "romeo").await;
    }
    let seconds = start.elapsed().as_secs_f64();
    figure(&format!("{count} guesses at one account from {count} networks: {answers:?} in {seconds:.1} s"));
    assert_eq!(answers.into_iter().collect::<Vec<_>>(), [("not-authorized".to_owned(), count)]);
    owner_gets_in(&world, [127, 67, 0, 1], "romeo").await;
}

/// Everything an answer shows: names, conditions, and the shape of a challenge.
async fn shape(
    world: &World,
    source: [u8; 4],
    profile: Profile,
    mechanism: &str,
    user: &str,
) -> (String, Duration) {
    let mut client = secured_from(world, source).await.unwrap();
    let start = Instant::now();
    if mechanism == "PLAIN" {
        let outcome = sign_in::plain(&mut client, profile, "", user, "wrong").await.unwrap();
        return (format!("{outcome}"), start.elapsed());
    }
    let (gs2, binding) = client.binding_for(mechanism).unwrap();
    let mut scram = Scram::new(Hash::of(mechanism).unwrap(), user, "wrong", &gs2, &binding, &nonce());
    let challenge = sign_in::begin(&mut client, profile, mechanism, scram.first().as_bytes()).await.unwrap();
    let first = start.elapsed();
    let server_first = sign_in::data(&challenge).unwrap();
    let last = scram.answer(&server_first).unwrap();
    let start = Instant::now();
    let outcome = sign_in::respond(&mut client, profile, &last).await.unwrap();
    let took = first + start.elapsed();
    let fields = server_first.split(',').map(|field| match field.split_once('=') {
        // The nonce and the salt differ from try to try and from user to user; their length and the rest do not.
        Some((name @ ("r" | "s"), value)) => format!("{name}:{}", value.len()),
        _ => field.to_owned(),
    });
    (format!("{} {} {outcome}", challenge.name, fields.collect::<Vec<_>>().join(",")), took)
}

/// Threats 12 and 15: a wrong password, an unknown user, a disabled and an expired account are answered alike, by every
/// mechanism in both profiles. The time they take is reported.
#[tokio::test]
async fn who_exists_cannot_be_told() {
    let world = world().await;
    for user in ["romeo", "disabled"] {
        world.user(user);
    }
    world.server.admin(&["user", "disable", "disabled@localhost"], "").unwrap();
    let users = ["romeo", "nobody", "disabled", "somebody"];
    // As many as the budget of the whole server answers without delay.
    let rounds = size(8, 1);
    let mut times: BTreeMap<(&str, &str), Vec<f64>> = BTreeMap::new();
    let mut place = 0u32;
    for profile in PROFILES {
        for mechanism in SCRAM.into_iter().chain(["PLAIN"]) {
            let mut shapes = Vec::new();
            for _ in 0..rounds {
                for user in users {
                    // A network of its own for each try, so that no delay is earned.
                    place += 1;
                    let [_, a, b, _] = (place << 8).to_be_bytes();
                    let source = [127, a.wrapping_add(b >> 7), b, 1];
                    let (shape, took) = shape(&world, source, profile, mechanism, user).await;
                    shapes.push(shape);
                    times.entry((mechanism, user)).or_default().push(took.as_secs_f64() * 1e6);
                }
            }
            assert!(shapes.iter().all(|shape| *shape == shapes[0]), "{mechanism} {profile:?}: {shapes:#?}");
            assert!(shapes[0].contains("not-authorized"), "{mechanism} {profile:?}: {}", shapes[0]);
        }
    }
    for ((mechanism, user), mut times) in times {
        times.sort_by(f64::total_cmp);
        let at = |part: f64| times[((times.len() - 1) as f64 * part) as usize];
        let (low, middle, high) = (at(0.25), at(0.5), at(0.75));
        figure(&format!(
            "{mechanism}, {user}: answered within {middle:.0} us (quartiles {low:.0} to {high:.0})"
        ));
    }
}
