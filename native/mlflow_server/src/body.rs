//! Bodies of requests that are read whole: no longer than allowed, and no more of them at once than
//! there is memory for, however many clients send.

use axum::body::{Body, HttpBody};
use bytes::Bytes;
use http_body_util::BodyExt;
use mlflow_store::tracking::{Code, Refusal};
use tokio::sync::OwnedSemaphorePermit;

use crate::app::App;

/// A body, and the room that it takes until this is dropped.
pub struct Held {
    pub bytes: Bytes,
    _room: OwnedSemaphorePermit,
}

pub enum Unread {
    TooLarge,
    BrokenOff,
    Refused(Refusal),
}

/// What its header promises takes no room: a client that sends nothing keeps nobody waiting.
pub async fn read(app: &App, mut body: Body, limit: usize) -> Result<Held, Unread> {
    let mut room = take(app, 0)?;
    let mut whole = Vec::new();
    while let Some(frame) = body.frame().await {
        // Trailers say nothing.
        let Ok(piece) = frame.map_err(|_| Unread::BrokenOff)?.into_data() else {
            continue;
        };
        if whole.len() + piece.len() > limit {
            return Err(Unread::TooLarge);
        }
        room.merge(take(app, piece.len())?);
        if whole.is_empty() && body.is_end_stream() {
            return Ok(Held {
                bytes: piece,
                _room: room,
            });
        }
        whole.extend_from_slice(&piece);
    }
    Ok(Held {
        bytes: whole.into(),
        _room: room,
    })
}

fn take(app: &App, bytes: usize) -> Result<OwnedSemaphorePermit, Unread> {
    app.room_for(bytes).ok_or_else(|| {
        Unread::Refused(Refusal::new(
            Code::TemporarilyUnavailable,
            "The server reads as much at once as it has memory for: try again, or send less.",
        ))
    })
}
