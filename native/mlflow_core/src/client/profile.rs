//! What is known of a server before it has said anything: whose it is, and what those take.

use crate::batch::BatchLimits;

/// Whose server it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerProfile {
    /// MLflow's own, or one that keeps to its limits.
    Mlflow,
    Databricks,
    Azure,
}

/// Workspaces on AWS and Google Cloud, on Azure, and in the clouds of governments and of China.
const DATABRICKS: [&str; 6] = [
    ".databricks.com",
    ".azuredatabricks.net",
    ".databricks.azure.us",
    ".databricks.azure.cn",
    ".databricks.us",
    ".databricks.mil",
];

/// Azure Machine Learning in the public cloud, in the US government's and in China's.
const AZURE: [&str; 4] = [
    ".azureml.ms",
    ".azureml.net",
    ".ml.azure.us",
    ".ml.azure.cn",
];

impl ServerProfile {
    pub(super) fn of_host(host: &str) -> Self {
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        let is_below = |domains: &[&str]| domains.iter().any(|domain| host.ends_with(domain));
        if is_below(&DATABRICKS) {
            Self::Databricks
        } else if is_below(&AZURE) {
            Self::Azure
        } else {
            Self::Mlflow
        }
    }

    /// The name users see.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Mlflow => "mlflow",
            Self::Databricks => "databricks",
            Self::Azure => "azure",
        }
    }

    pub(super) fn batch_limits(self) -> BatchLimits {
        match self {
            Self::Mlflow | Self::Databricks => BatchLimits::default(),
            // https://github.com/mlflow/mlflow/issues/2441; the other kinds are as MLflow's.
            Self::Azure => BatchLimits {
                metrics: 200,
                ..BatchLimits::default()
            },
        }
    }

    /// Requests per s that are let through for certain.
    pub(super) fn rate(self) -> Option<f64> {
        match self {
            // Databricks documents, per workspace, 7 searches of runs, 47 log-batches and 127 other
            // requests per s (https://docs.azure.cn/databricks/dev-tools/api/latest/mlflow). One
            // rate for all of them stays below what most of a sync consists of; what a search
            // meets beyond it is learned from its 429.
            Self::Databricks => Some(40.0),
            Self::Mlflow | Self::Azure => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_known_by_its_host() {
        for (host, profile) in [
            ("adb-5555.19.azuredatabricks.net", ServerProfile::Databricks),
            (
                "dbc-a1b2345c-d6e7.cloud.databricks.com",
                ServerProfile::Databricks,
            ),
            ("123.4.GCP.Databricks.com.", ServerProfile::Databricks),
            ("adb-5555.19.databricks.azure.cn", ServerProfile::Databricks),
            ("westeurope.api.azureml.ms", ServerProfile::Azure),
            ("chinaeast2.api.ml.azure.cn", ServerProfile::Azure),
            ("mlflow.example.com", ServerProfile::Mlflow),
            ("databricks.com.example.org", ServerProfile::Mlflow),
            ("notdatabricks.com", ServerProfile::Mlflow),
            ("127.0.0.1", ServerProfile::Mlflow),
        ] {
            assert_eq!(ServerProfile::of_host(host), profile, "{host}");
        }
    }
}
