//! What JavaScript calls: text and bytes in, text and bytes out, errors as JSON text. Decides nothing.

use indelible_engine::merge::{Absent, Protected};
use indelible_engine::splice::Splice;
use indelible_engine::time::Timestamp;
use wasm_bindgen::prelude::wasm_bindgen;

use crate::error::CallError;
use crate::event::Fault;
use crate::replica::{EditOptions, Edited, TypedEdit};

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_namespace = console, js_name = error)]
    fn console_error(message: &str);
}

/// Runs once per instance. A panic is a trap; its message would be lost without this.
#[wasm_bindgen(start)]
pub fn start() {
    std::panic::set_hook(Box::new(|panic| console_error(&panic.to_string())));
}

/// See the methods of the same names of [`crate::Session`]; times are milliseconds since the Unix epoch.
#[wasm_bindgen]
#[derive(Debug)]
pub struct Session(crate::Session);

#[wasm_bindgen]
impl Session {
    /// `seed`: 32 random bytes.
    #[wasm_bindgen(constructor)]
    pub fn new(seed: &[u8], name: &str) -> Result<Self, String> {
        let seed = seed
            .try_into()
            .map_err(|_| "the seed has 32 bytes".to_owned())?;
        Ok(Self(crate::Session::new(seed, name)))
    }

    pub fn connecting(&mut self) {
        self.0.connecting();
    }

    pub fn connected(&mut self, token: Option<String>) {
        self.0.connected(token);
    }

    pub fn authenticate(&mut self, token: String) {
        self.0.authenticate(token);
    }

    pub fn report(&mut self, code: &str, message: &str) {
        self.0.report(Fault::new(code, message));
    }

    pub fn ping(&mut self) {
        self.0.ping();
    }

    pub fn disconnected(&mut self, code: Option<String>, message: Option<String>) {
        self.0
            .disconnected(code.map(|code| Fault::new(code, message.unwrap_or_default())));
    }

    /// `false`: the bytes are not a valid frame, and the connection must be closed.
    #[wasm_bindgen(js_name = handleFrame)]
    pub fn handle_frame(&mut self, frame: &[u8], now: f64) -> bool {
        match self.0.handle_frame(frame, at(now)) {
            Ok(()) => true,
            Err(error) => {
                console_error(&error.to_string());
                false
            }
        }
    }

    #[wasm_bindgen(js_name = pollTransmit)]
    pub fn poll_transmit(&mut self, now: f64) -> Option<Vec<u8>> {
        self.0.poll_transmit(at(now))
    }

    /// A JSON array of events; nothing when there are none.
    #[wasm_bindgen(js_name = pollEvents)]
    pub fn poll_events(&mut self) -> Result<Option<String>, String> {
        let events = self.0.poll_events();
        if events.is_empty() {
            return Ok(None);
        }
        serde_json::to_string(&events)
            .map(Some)
            .map_err(|error| error.to_string())
    }

    pub fn open(&mut self, entity: &str) -> Result<(), String> {
        refused(self.0.open(entity))
    }

    pub fn close(&mut self, entity: &str) {
        self.0.close(entity);
    }

    pub fn resync(&mut self, entity: &str) {
        self.0.resync(entity);
    }

    pub fn watch(&mut self, kind: &str) -> Result<(), String> {
        refused(self.0.watch(kind))
    }

    pub fn unwatch(&mut self, kind: &str) {
        self.0.unwatch(kind);
    }

    /// `whole`: what the body lacks is removed. `base`: a revision from a `value` or `patch` event.
    pub fn merge(
        &mut self,
        entity: &str,
        body: &str,
        keep_protected: bool,
        whole: bool,
        base: Option<f64>,
        now: f64,
    ) -> Result<String, String> {
        let options = EditOptions {
            protected: if keep_protected {
                Protected::Keep
            } else {
                Protected::Refuse
            },
            absent: if whole {
                Absent::Removed
            } else {
                Absent::Stays
            },
            revision: base.map(|revision| revision as u64),
            remake: false,
        };
        answer(self.0.edit(entity, body, &options, at(now)))
    }

    pub fn keep(&mut self, entity: &str, pointer: &str, now: f64) -> Result<String, String> {
        answer(self.0.keep(entity, pointer, at(now)))
    }

    /// `dropped`: one of `status.dropped`, as JSON.
    #[wasm_bindgen(js_name = bringBack)]
    pub fn bring_back(&mut self, entity: &str, dropped: &str, now: f64) -> Result<String, String> {
        answer(self.0.bring_back(entity, dropped, at(now)))
    }

    pub fn dismiss(&mut self, entity: &str, pointer: &str) {
        self.0.dismiss(entity, pointer);
    }

    /// `base`: a revision from a `value` or `patch` event.
    #[allow(
        clippy::too_many_arguments,
        reason = "JavaScript hands them over one by one"
    )]
    pub fn splice(
        &mut self,
        entity: &str,
        pointer: String,
        index: u32,
        remove: u32,
        insert: String,
        base: Option<f64>,
        now: f64,
    ) -> Result<String, String> {
        let typed = TypedEdit {
            pointer,
            splice: Splice {
                index: index as usize,
                remove: remove as usize,
                insert,
            },
            revision: base.map(|revision| revision as u64),
        };
        answer(self.0.splice(entity, &typed, at(now)))
    }

    /// JSON text: the place, or nothing.
    pub fn locate(&self, entity: &str, pointer: &str) -> Option<String> {
        let located = self.0.locate(entity, pointer)?;
        serde_json::to_string(&located).ok()
    }

    pub fn edits(&self, entity: &str) -> f64 {
        self.0.edits(entity) as f64
    }

    pub fn create(&mut self, entity: &str, value: &str, now: f64) -> Result<u32, String> {
        refused(self.0.create(entity, value, at(now)))
    }

    pub fn delete(&mut self, entity: &str, now: f64) -> Result<u32, String> {
        refused(self.0.delete(entity, at(now)))
    }

    pub fn undelete(&mut self, entity: &str, now: f64) -> Result<u32, String> {
        refused(self.0.undelete(entity, at(now)))
    }
}

/// The version of this package, for bug reports.
#[wasm_bindgen]
#[must_use]
pub fn version() -> String {
    env!("CARGO_PKG_VERSION").to_owned()
}

/// What came of an edit, or why it was not made, as JSON text.
fn answer(edited: Result<Edited, CallError>) -> Result<String, String> {
    serde_json::to_string(&refused(edited)?).map_err(|error| error.to_string())
}

/// A refusal as JSON text.
fn refused<T>(result: Result<T, CallError>) -> Result<T, String> {
    result.map_err(|error| error.to_json())
}

fn at(now: f64) -> Timestamp {
    Timestamp(now as i64)
}
