//! The sandbox over a real socket: is it as strict, as late and as limited as the documents say?

use std::collections::HashMap;
use std::time::Duration;

use reqwest::{Client, Method};
use serde_json::{Value, json};

use super::wire::{parse_query, percent_encode};
use super::*;

mod channels;
mod faults;
mod highlevel;
mod highlevel_login;
mod office;
mod search;
mod twitch;
mod twitch_login;

/// A sandbox and a client that speaks to it.
struct Bench {
    sandbox: Sandbox,
    client: Client,
}

struct Reply {
    status: u16,
    headers: reqwest::header::HeaderMap,
    text: String,
}

impl Reply {
    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap()
    }
}

impl Bench {
    async fn new(settings: Settings) -> Bench {
        // A second installation fails because the first one stands, which is all that is wanted.
        drop(rustls::crypto::ring::default_provider().install_default());
        Bench {
            sandbox: Sandbox::start(settings).await.unwrap(),
            client: Client::builder()
                .no_proxy()
                .redirect(reqwest::redirect::Policy::none())
                .build()
                .unwrap(),
        }
    }

    async fn try_hub(
        &self,
        method: &str,
        path: &str,
        body: Option<Value>,
    ) -> reqwest::Result<Reply> {
        let url = self.sandbox.highlevel_url() + path;
        let mut call = self
            .client
            .request(Method::from_bytes(method.as_bytes()).unwrap(), url)
            .header("authorization", format!("Bearer {HIGHLEVEL_TOKEN}"))
            .header("version", "2021-07-28");
        if let Some(body) = body {
            call = call
                .header("content-type", "application/json")
                .body(body.to_string());
        }
        read(call.send().await?).await
    }

    async fn hub(&self, method: &str, path: &str, body: Value) -> Reply {
        let body = Some(body).filter(|body| !body.is_null());
        self.try_hub(method, path, body).await.unwrap()
    }

    async fn search(&self, body: Value) -> Value {
        let mut whole = json!({ "locationId": LOCATION_ID, "pageLimit": 100 });
        for (key, value) in body.as_object().unwrap() {
            whole[key] = value.clone();
        }
        let reply = self.hub("POST", "/contacts/search", whole).await;
        assert_eq!(reply.status, 200, "{}", reply.text);
        reply.json()
    }

    async fn create(&self, first: &str) -> String {
        let body = json!({ "locationId": LOCATION_ID, "firstName": first });
        let reply = self.hub("POST", "/contacts/", body).await;
        assert_eq!(reply.status, 201, "{}", reply.text);
        text(&reply.json()["contact"]["id"])
    }

    async fn helix(&self, path: &str, token: &str) -> Reply {
        let call = self
            .client
            .get(self.sandbox.helix_url() + path)
            .header("authorization", format!("Bearer {token}"))
            .header("client-id", TWITCH_CLIENT_ID);
        read(call.send().await.unwrap()).await.unwrap()
    }

    /// Posts a form, with more headers.
    async fn try_form(
        &self,
        url: &str,
        headers: &[(&str, &str)],
        pairs: &[(&str, &str)],
    ) -> reqwest::Result<Reply> {
        let body: Vec<String> = pairs
            .iter()
            .map(|(name, value)| format!("{name}={}", percent_encode(value)))
            .collect();
        let mut call = self
            .client
            .post(url)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(body.join("&"));
        for (name, value) in headers {
            call = call.header(*name, *value);
        }
        read(call.send().await?).await
    }

    async fn form(&self, url: &str, pairs: &[(&str, &str)]) -> Reply {
        self.try_form(url, &[], pairs).await.unwrap()
    }

    /// Opens a page as a browser that follows no redirect.
    async fn open(&self, url: &str, query: &[(&str, &str)]) -> Reply {
        let pairs: Vec<String> = query
            .iter()
            .map(|(name, value)| format!("{name}={}", percent_encode(value)))
            .collect();
        let url = format!("{url}?{}", pairs.join("&"));
        read(self.client.get(url).send().await.unwrap())
            .await
            .unwrap()
    }
}

impl Reply {
    fn message(&self) -> String {
        text(&self.json()["message"])
    }

    /// Returns where a redirect leads, and the pairs it brings.
    fn target(&self) -> (String, HashMap<String, String>) {
        assert_eq!(self.status, 302, "{}", self.text);
        let location = self.headers["location"].to_str().unwrap();
        let (address, query) = location.split_once('?').unwrap();
        (
            address.to_string(),
            parse_query(query).into_iter().collect(),
        )
    }
}

async fn read(response: reqwest::Response) -> reqwest::Result<Reply> {
    Ok(Reply {
        status: response.status().as_u16(),
        headers: response.headers().clone(),
        text: response.text().await?,
    })
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_string()
}

fn ids(page: &Value) -> Vec<String> {
    let rows = page["contacts"].as_array().unwrap();
    rows.iter().map(|row| text(&row["id"])).collect()
}

fn small(contacts: u64, twins: u64) -> Settings {
    Settings {
        contacts,
        twins,
        fields: true,
        ..Settings::default()
    }
}
