//! Putting a file: exactly as long as announced, within its time, safe before the answer (XEP-0363 section 7).

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use http_body_util::BodyExt as _;
use tokio::time::{Instant, timeout_at};
use waxwing_chat::files::upload::{Upload, UploadRefusal};

use super::{Parts, asked, bare, busy, text};
use crate::http::Http;
use crate::observe::names;

/// `PUT /files/{id}/{name}`
pub(super) async fn put(State(http): State<Arc<Http>>, parts: Parts, request: Request) -> Response {
    let answer = match http.transfers.uploads.try_acquire() {
        Ok(_permit) => take(&http, &parts, request).await,
        Err(_) => busy(),
    };
    let result = if answer.status() == StatusCode::CREATED { "ok" } else { "refused" };
    metrics::counter!(names::FILE_UPLOADS, "result" => result).increment(1);
    answer
}

async fn take(http: &Http, parts: &Parts, request: Request) -> Response {
    let Some((chat, id)) = asked(http, parts) else { return bare(StatusCode::NOT_FOUND) };
    let headers = request.headers();
    // Without a length nobody knows what is coming (RFC 9110 section 15.5.12).
    let Some(length) = text(headers, &header::CONTENT_LENGTH).and_then(|length| length.parse().ok()) else {
        return refused(StatusCode::LENGTH_REQUIRED);
    };
    let token = text(headers, &header::AUTHORIZATION)
        .and_then(|value| value.split_once(' '))
        .and_then(|(kind, token)| kind.eq_ignore_ascii_case("bearer").then(|| token.trim().to_owned()));
    let Some(token) = token else { return refused(StatusCode::UNAUTHORIZED) };
    let media_type = text(headers, &header::CONTENT_TYPE).map(str::to_owned);
    let upload = match chat.begin_upload(&id, &token, length, media_type.as_deref()).await {
        Ok(upload) => upload,
        Err(refusal) => return refused(status(&refusal)),
    };
    let whole = Instant::now() + Duration::from_millis(chat.upload_time_ms(length));
    let stall = Duration::from_millis(http.live.current().files.stall_timeout_ms);
    match receive(upload, request.into_body(), whole, stall).await {
        Ok(()) => {
            metrics::counter!(names::FILE_BYTES, "direction" => "received").increment(length);
            bare(StatusCode::CREATED)
        }
        Err(status) => refused(status),
    }
}

/// Takes the content as it comes, a piece at a time, and makes it safe.
async fn receive(
    mut upload: Upload,
    mut body: Body,
    whole: Instant,
    stall: Duration,
) -> Result<(), StatusCode> {
    while upload.left() > 0 {
        let until = whole.min(Instant::now() + stall);
        let frame = match timeout_at(until, body.frame()).await {
            Err(_) => return Err(StatusCode::REQUEST_TIMEOUT),
            Ok(None | Some(Err(_))) => return Err(StatusCode::BAD_REQUEST),
            Ok(Some(Ok(frame))) => frame,
        };
        let Ok(bytes) = frame.into_data() else { continue };
        upload.write(bytes).await.map_err(|refusal| status(&refusal))?;
    }
    // What is complete is kept, even if the client does not wait for the answer.
    match tokio::spawn(upload.finish()).await {
        Ok(finished) => finished.map_err(|refusal| status(&refusal)),
        Err(_) => Err(StatusCode::INTERNAL_SERVER_ERROR),
    }
}

fn status(refusal: &UploadRefusal) -> StatusCode {
    match refusal {
        UploadRefusal::Closed => StatusCode::FORBIDDEN,
        UploadRefusal::Taken => StatusCode::CONFLICT,
        UploadRefusal::TooLong => StatusCode::PAYLOAD_TOO_LARGE,
        UploadRefusal::TooShort => StatusCode::BAD_REQUEST,
        UploadRefusal::MediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        UploadRefusal::Full => StatusCode::INSUFFICIENT_STORAGE,
        UploadRefusal::Failed(error) => {
            tracing::error!(%error, "a file could not be kept");
            StatusCode::SERVICE_UNAVAILABLE
        }
    }
}

/// The rest of a body that is not wanted is not read either: the connection ends.
fn refused(status: StatusCode) -> Response {
    let mut answer = bare(status);
    answer.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    if status == StatusCode::UNAUTHORIZED {
        answer.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    answer
}
