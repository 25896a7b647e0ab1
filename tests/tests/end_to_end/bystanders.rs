//! Guards against work of one that keeps the server from serving others: dear requests that are
//! judged, read or written out on the threads that serve sockets.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;

use super::crowd::{Crowd, dear, many, stand_by};

/// Elements of one body.
const ELEMENTS: usize = 50_000;
/// What is asked beside them, one after the other.
const TURNS: usize = 10;

#[tokio::test]
async fn dear_requests_of_one_leave_the_server_to_others() {
    let crowd = Crowd::start();
    let (ada, mallory) = (crowd.http("ada"), Arc::new(crowd.http("mallory")));
    let note = json!({ "text": "" });
    assert_eq!(ada.post("/api/notes?id=beside", note).await.status, 201);
    let answered = Arc::new(AtomicUsize::new(0));
    let asked = (0..many()).map(|_| {
        let (mallory, answered) = (Arc::clone(&mallory), Arc::clone(&answered));
        tokio::spawn(async move {
            let body = dear(ELEMENTS).to_string();
            let answer = mallory.send_blindly("POST", "/api/lists", Some(body));
            let (status, _) = answer.await;
            answered.fetch_add(1, Ordering::Relaxed);
            status
        })
    });
    let asked: Vec<_> = asked.collect();
    // From the first answer on, the others are all on their way.
    while answered.load(Ordering::Relaxed) == 0 {
        stand_by(&ada, TURNS).await;
    }
    for turn in 0..TURNS {
        stand_by(&ada, turn).await;
    }
    assert!(
        answered.load(Ordering::Relaxed) < many(),
        "all dear requests were answered before {TURNS} small ones"
    );
    for one in asked {
        assert_eq!(one.await.unwrap(), 201, "late, but done");
    }
}
