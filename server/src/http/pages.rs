//! The built pages and their assets, served from the binary itself.
//!
//! Invariant: only embedded files are served; names from requests never touch the file system.
//! Scripts run from this server only, and no text becomes a script or markup (content security
//! policy).

use std::borrow::Cow;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use rust_embed::{EmbeddedFile, RustEmbed};
use sha2::{Digest as _, Sha256};

use super::App;
use super::coding::{self, Coding};
use super::form::Form;
use super::problem::Problem;
use super::validators;
use crate::config::SchemaPlace;

#[derive(RustEmbed)]
#[folder = "console/dist"]
struct Dist;

const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; \
     style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; \
     manifest-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'self'; \
     frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

/// Names under `/assets/` carry a hash of their content.
const CACHE_FOR_EVER: &str = "public, max-age=31536000, immutable";
const CACHE_BUT_ASK: &str = "no-cache";

const NOT_BUILT: &str = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\">\
     <title>Indelible</title><h1>The pages are not built</h1>\
     <p>Run <code>cargo xtask build</code>, then start the server again. \
     The API works without them.</p></html>\n";

const INDEX: &str = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\">\
     <title>Indelible</title><h1>Indelible</h1>\
     <ul><li><a href=\"/demo/admin\">The demo backoffice</a></li>\
     <li><a href=\"/demo/site\">The demo site</a></li></ul></html>\n";

/// With a schema of one's own: the demo's pages know no other one than theirs.
const INDEX_WITHOUT_DEMO: &str = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\">\
     <title>Indelible</title><h1>Indelible</h1>\
     <p>This server has no pages of its own. Clients connect to <code>/sync</code>, \
     values are under <code>/api/</code>.</p></html>\n";

/// `/`, `/demo/{page}` and everything that the pages load.
pub(crate) fn router(app: &App) -> Router<App> {
    let page = |methods| Form::Page.guard(app, methods);
    Router::new()
        .route("/", page(get(index)))
        .route("/demo/{page}", page(get(demo)))
        .route("/demo/{page}/", page(get(demo)))
        .route("/assets/{*path}", page(get(asset)))
        .route(
            "/favicon.svg",
            page(get(|headers| root_file("favicon.svg", headers))),
        )
        .route(
            "/favicon.ico",
            page(get(|headers| root_file("favicon.ico", headers))),
        )
}

async fn index(State(app): State<App>, headers: HeaderMap) -> Response {
    let text = match app.config.schema {
        SchemaPlace::Demo => INDEX,
        SchemaPlace::Folder(_) => INDEX_WITHOUT_DEMO,
    };
    let hash = hex::encode(&Sha256::digest(text)[..16]);
    let make = || Html(text).into_response();
    let mut response = validators::read(&headers, &validators::quoted(&hash), make);
    if !response.status().is_client_error() {
        let caching = HeaderValue::from_static(CACHE_BUT_ASK);
        response
            .headers_mut()
            .insert(header::CACHE_CONTROL, caching);
    }
    with_policy(response)
}

async fn demo(Path(page): Path<String>, headers: HeaderMap) -> Response {
    let names = [
        format!("demo/{page}/index.html"),
        format!("demo/{page}.html"),
    ];
    for name in &names {
        if let Some(file) = Dist::get(name) {
            return serve(file, name, CACHE_BUT_ASK, &headers);
        }
    }
    if matches!(page.as_str(), "admin" | "site") {
        return with_policy((StatusCode::SERVICE_UNAVAILABLE, Html(NOT_BUILT)).into_response());
    }
    Problem::not_found().into_response()
}

async fn asset(Path(path): Path<String>, headers: HeaderMap) -> Response {
    let name = format!("assets/{path}");
    match Dist::get(&name).filter(|_| !Coding::is_packed(&name)) {
        Some(file) => serve(file, &name, CACHE_FOR_EVER, &headers),
        None => Problem::not_found().into_response(),
    }
}

async fn root_file(name: &'static str, headers: HeaderMap) -> Response {
    match Dist::get(name) {
        Some(file) => serve(file, name, CACHE_BUT_ASK, &headers),
        None => Problem::not_found().into_response(),
    }
}

/// Files only are packed: an answer that mixes secrets with text that another chose never is. Each
/// coding has a tag of its own, since the bytes differ.
fn serve(file: EmbeddedFile, name: &str, caching: &'static str, headers: &HeaderMap) -> Response {
    let kind = content_type(name);
    let packed = coding::accepted(headers).into_iter().find_map(|coding| {
        let packed = Dist::get(&format!("{name}{}", coding.extension()))?;
        Some((coding, packed))
    });
    let hash = hex::encode(&file.metadata.sha256_hash()[..16]);
    let (version, coding, data) = match packed {
        Some((coding, packed)) => {
            let version = format!("{hash}-{}", coding.name());
            (version, Some(coding), packed.data)
        }
        None => (hash, None, file.data),
    };
    let make = || {
        let mut response = Response::new(match data {
            Cow::Borrowed(data) => Body::from(Bytes::from_static(data)),
            Cow::Owned(data) => Body::from(data),
        });
        let out = response.headers_mut();
        out.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        if let Some(coding) = coding {
            let coding = HeaderValue::from_static(coding.name());
            out.insert(header::CONTENT_ENCODING, coding);
        }
        response
    };
    let mut response = validators::read(headers, &validators::quoted(&version), make);
    if response.status().is_client_error() {
        return response;
    }
    let out = response.headers_mut();
    out.insert(header::CACHE_CONTROL, HeaderValue::from_static(caching));
    out.append(header::VARY, HeaderValue::from_static("Accept-Encoding"));
    with_policy(response)
}

fn with_policy(mut response: Response) -> Response {
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
        (header::REFERRER_POLICY, "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

fn content_type(name: &str) -> &'static str {
    match name.rsplit_once('.').map_or("", |(_, extension)| extension) {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "json" | "map" => "application/json",
        "webmanifest" => "application/manifest+json",
        "wasm" => "application/wasm",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "webp" => "image/webp",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        "txt" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}
