//! Bytes → frames of both directions. What is taken is encoded to something that is taken as the
//! same frame.

use indelible_engine::limits::Limits;
use indelible_engine::protocol::{ClientFrame, ServerFrame};

use super::vectors;
use crate::hostile::{self, Bytes, RawMessage};

/// Every frame as it should be, and the wall's messages that are no frames, or almost.
pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = vectors("frames.json");
    for message in hostile::frame_cases()
        .into_iter()
        .flat_map(|case| case.messages)
    {
        let (RawMessage::Binary(Bytes(bytes)) | RawMessage::Text(Bytes(bytes))) = message;
        seeds.push(bytes);
    }
    seeds
}

pub(crate) fn run(data: &[u8]) {
    let limits = Limits::default();
    if let Ok(frame) = ClientFrame::decode(data, &limits) {
        let again = ClientFrame::decode(&frame.encode(), &limits).expect("our own frame");
        assert_eq!(again, frame);
    }
    if let Ok(frame) = ServerFrame::decode(data) {
        let again = ServerFrame::decode(&frame.encode()).expect("our own frame");
        assert_eq!(again, frame);
    }
}
