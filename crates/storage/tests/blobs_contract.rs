//! The contract of every store of blobs, kept by the folder and by object storage.

mod scratch;

use std::sync::Arc;

use bytes::Bytes;
use scratch::Scratch;
use waxwing_chat::files::FileId;
use waxwing_chat::files::blobs::{BlobError, BlobKey, Blobs};
use waxwing_storage::blobs::folder::Folder;
use waxwing_storage::blobs::object_storage::{Bucket, ObjectStorage, PART_BYTES};
use waxwing_tests::object_storage::{BUCKET, ObjectStorageServer};

fn key(end: &str) -> BlobKey {
    FileId::parse(&format!("{end:a>32}")).expect("an id").content()
}

/// Bytes that differ at every place, so that no piece can be mistaken for another.
fn content(length: usize) -> Bytes {
    (0..length).map(|n| (n ^ (n >> 8) ^ (n >> 16)) as u8).collect()
}

async fn write(blobs: &dyn Blobs, key: &BlobKey, content: &Bytes) {
    let mut writer = blobs.create(key, content.len() as u64).await.unwrap();
    let mut rest = content.clone();
    while !rest.is_empty() {
        writer.write(rest.split_to(rest.len().min(60_000))).await.unwrap();
    }
    writer.finish().await.unwrap();
}

async fn read(blobs: &dyn Blobs, key: &BlobKey, range: std::ops::Range<u64>) -> Result<Vec<u8>, BlobError> {
    let mut reader = blobs.read(key, range).await?;
    let mut all = Vec::new();
    while let Some(bytes) = reader.next().await? {
        all.extend_from_slice(&bytes);
    }
    Ok(all)
}

async fn keeps_the_contract(blobs: Arc<dyn Blobs>) {
    blobs.check().await.unwrap();
    let small = content(1000);
    let large = content(2 * PART_BYTES + 12_345);
    write(&*blobs, &key("b"), &small).await;
    write(&*blobs, &key("c"), &large).await;
    assert_eq!(read(&*blobs, &key("b"), 0..1000).await.unwrap(), small);
    assert!(read(&*blobs, &key("c"), 0..large.len() as u64).await.unwrap() == large, "all of a large one");
    let (from, to) = (PART_BYTES - 10, PART_BYTES + 300_000);
    let piece = read(&*blobs, &key("c"), from as u64..to as u64).await.unwrap();
    assert!(piece == large[from..to], "a piece across parts");
    assert_eq!(read(&*blobs, &key("b"), 999..u64::MAX).await.unwrap(), small[999..]);
    assert!(matches!(read(&*blobs, &key("x"), 0..1).await, Err(BlobError::NotFound)));
    // What is not finished cannot be read, however it ends.
    let mut writer = blobs.create(&key("d"), large.len() as u64).await.unwrap();
    writer.write(large.clone()).await.unwrap();
    assert!(matches!(read(&*blobs, &key("d"), 0..1).await, Err(BlobError::NotFound)));
    drop(writer);
    assert!(matches!(read(&*blobs, &key("d"), 0..1).await, Err(BlobError::NotFound)));
    blobs.delete(&key("b")).await.unwrap();
    blobs.delete(&key("b")).await.unwrap();
    assert!(matches!(read(&*blobs, &key("b"), 0..1).await, Err(BlobError::NotFound)));
    blobs.delete(&key("c")).await.unwrap();
}

#[tokio::test]
async fn a_folder() {
    let scratch = Scratch::new();
    let folder = scratch.database().with_file_name("files");
    keeps_the_contract(Arc::new(Folder::open(&folder).unwrap())).await;
    // What was on its way when the process ended is swept at the next start.
    let left = folder.join("incoming/left.0");
    std::fs::write(&left, "x").unwrap();
    Folder::open(&folder).unwrap();
    assert!(!left.exists());
}

#[tokio::test]
async fn object_storage() {
    let Some(server) = ObjectStorageServer::start().unwrap() else { return };
    let bucket = Bucket {
        name: BUCKET.to_owned(),
        endpoint: Some(server.endpoint.clone()),
        region: "us-east-1".to_owned(),
        access_key_id: "test".to_owned(),
        secret_access_key: "test".to_owned(),
        prefix: "files/".to_owned(),
    };
    keeps_the_contract(Arc::new(ObjectStorage::new(bucket).unwrap())).await;
}
