//! What clients and the web interface ask first: what this server can do. What it cannot (the
//! gateway, the assistant, usage reports) is said to be switched off.

use serde_json::json;

use super::{Endpoint, get, post};
use crate::answer::{Answer, Answered};
use crate::app::App;
use crate::call::Call;

pub fn endpoints() -> Vec<Endpoint> {
    vec![
        get("server-info", server_info),
        get("ui-telemetry", telemetry_config),
        post("ui-telemetry", telemetry),
        get("gateway-proxy", gateway),
        get("assistant/config", assistant),
        get("assistant/providers", providers),
    ]
}

async fn server_info(_app: App, _call: Call) -> Answered {
    Answer::json(&json!({
        "store_type": "SqlStore",
        "workspaces_enabled": false,
        "trace_archival_enabled": false,
        "multipart_uploads_enabled": false,
        "multipart_downloads_enabled": false,
        "presigned_upload_run_id_supported": true,
        "presigned_upload_model_id_supported": true,
        "features_enabled": {"gateway": false},
    }))
}

async fn telemetry_config(_app: App, _call: Call) -> Answered {
    Answer::json(&json!({
        "disable_ui_telemetry": true,
        "disable_ui_events": [],
        "ui_rollout_percentage": 0,
    }))
}

async fn telemetry(_app: App, _call: Call) -> Answered {
    Answer::named("status", &"disabled")
}

async fn gateway(_app: App, _call: Call) -> Answered {
    Answer::json(&json!({"endpoints": []}))
}

async fn assistant(_app: App, _call: Call) -> Answered {
    Answer::json(&json!({"providers": {}, "projects": {}, "remote_access_allowed": false}))
}

async fn providers(_app: App, _call: Call) -> Answered {
    Answer::json(&json!({"providers": []}))
}
