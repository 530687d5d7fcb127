//! Blobs in object storage that speaks the protocol of S3: written in parts, which become one object only at the end.

use std::ops::Range;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::path::Path;
use object_store::{Error, GetOptions, GetRange, MultipartUpload, ObjectStore, ObjectStoreExt as _};
use waxwing_chat::files::blobs::{BlobError, BlobKey, BlobReader, BlobResult, BlobWriter, Blobs};

/// Bytes of one part. The protocol wants 5 MiB at least and 10,000 parts at most, so that 80 GB is the largest file.
pub const PART_BYTES: usize = 8 << 20;

/// Where the bucket is, and who may use it.
#[derive(Clone, Default)]
pub struct Bucket {
    /// Its name.
    pub name: String,
    /// The address of the service; unset for Amazon's own.
    pub endpoint: Option<String>,
    /// The region that requests are signed for.
    pub region: String,
    /// The name of the key.
    pub access_key_id: String,
    /// The key.
    pub secret_access_key: String,
    /// What stands before the names of all blobs, such as `waxwing/`.
    pub prefix: String,
}

/// Blobs in a bucket.
#[derive(Debug)]
pub struct ObjectStorage {
    bucket: AmazonS3,
    prefix: String,
}

impl ObjectStorage {
    /// Names the bucket; nothing is asked of it yet.
    pub fn new(bucket: Bucket) -> BlobResult<Self> {
        let mut builder = AmazonS3Builder::new()
            .with_bucket_name(bucket.name)
            .with_region(bucket.region)
            .with_access_key_id(bucket.access_key_id)
            .with_secret_access_key(bucket.secret_access_key);
        if let Some(endpoint) = bucket.endpoint {
            // Only whoever says so in the configuration gets a connection that others can read.
            builder = builder.with_allow_http(endpoint.starts_with("http://")).with_endpoint(endpoint);
        }
        Ok(Self { bucket: builder.build().map_err(failure)?, prefix: bucket.prefix })
    }

    fn place(&self, key: &BlobKey) -> Path {
        Path::from(format!("{}{}", self.prefix, key.as_str()))
    }
}

fn failure(error: Error) -> BlobError {
    match error {
        Error::NotFound { .. } => BlobError::NotFound,
        error => BlobError::failed(error),
    }
}

#[async_trait]
impl Blobs for ObjectStorage {
    async fn create(&self, key: &BlobKey, size: u64) -> BlobResult<Box<dyn BlobWriter>> {
        let place = self.place(key);
        // What fits into one part is one request, which is all or nothing by itself.
        if size <= PART_BYTES as u64 {
            return Ok(Box::new(Single { bucket: self.bucket.clone(), place, buffer: BytesMut::new() }));
        }
        let upload = self.bucket.put_multipart(&place).await.map_err(failure)?;
        Ok(Box::new(Parts { upload: Some(upload), buffer: BytesMut::new() }))
    }

    async fn read(&self, key: &BlobKey, range: Range<u64>) -> BlobResult<Box<dyn BlobReader>> {
        let range = match range.end {
            u64::MAX => GetRange::Offset(range.start),
            _ => GetRange::Bounded(range),
        };
        let options = GetOptions { range: Some(range), ..GetOptions::default() };
        let found = self.bucket.get_opts(&self.place(key), options).await.map_err(failure)?;
        Ok(Box::new(Reader(found.into_stream())))
    }

    async fn delete(&self, key: &BlobKey) -> BlobResult<()> {
        match self.bucket.delete(&self.place(key)).await {
            Ok(()) | Err(Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(failure(error)),
        }
    }

    async fn check(&self) -> BlobResult<()> {
        let mut listed = self.bucket.list(None);
        match listed.next().await {
            None | Some(Ok(_)) => Ok(()),
            Some(Err(error)) => Err(failure(error)),
        }
    }
}

struct Single {
    bucket: AmazonS3,
    place: Path,
    buffer: BytesMut,
}

#[async_trait]
impl BlobWriter for Single {
    async fn write(&mut self, bytes: Bytes) -> BlobResult<()> {
        self.buffer.extend_from_slice(&bytes);
        Ok(())
    }

    async fn finish(self: Box<Self>) -> BlobResult<()> {
        let Self { bucket, place, buffer } = *self;
        bucket.put(&place, buffer.freeze().into()).await.map(drop).map_err(failure)
    }
}

struct Parts {
    /// Absent once it is finished.
    upload: Option<Box<dyn MultipartUpload>>,
    buffer: BytesMut,
}

impl Parts {
    async fn send(&mut self, part: Bytes) -> BlobResult<()> {
        match &mut self.upload {
            Some(upload) => upload.put_part(part.into()).await.map_err(failure),
            None => Err(BlobError::failed("it is finished")),
        }
    }
}

#[async_trait]
impl BlobWriter for Parts {
    async fn write(&mut self, bytes: Bytes) -> BlobResult<()> {
        self.buffer.extend_from_slice(&bytes);
        while self.buffer.len() >= PART_BYTES {
            let part = self.buffer.split_to(PART_BYTES).freeze();
            self.send(part).await?;
        }
        Ok(())
    }

    async fn finish(mut self: Box<Self>) -> BlobResult<()> {
        if !self.buffer.is_empty() {
            let part = self.buffer.split().freeze();
            self.send(part).await?;
        }
        match &mut self.upload {
            Some(upload) => upload.complete().await.map_err(failure)?,
            None => return Err(BlobError::failed("it is finished")),
        };
        self.upload = None;
        Ok(())
    }
}

impl Drop for Parts {
    fn drop(&mut self) {
        let Some(mut upload) = self.upload.take() else { return };
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        runtime.spawn(async move {
            if let Err(error) = upload.abort().await {
                tracing::warn!(%error, "parts of an upload that broke off could not be removed");
            }
        });
    }
}

struct Reader(BoxStream<'static, object_store::Result<Bytes>>);

#[async_trait]
impl BlobReader for Reader {
    async fn next(&mut self) -> BlobResult<Option<Bytes>> {
        self.0.next().await.transpose().map_err(failure)
    }
}
