//! A registered model with its versions.

use super::Database;
use crate::error::Result;
use crate::tracking::import::records::{RegisteredModelRecord, VersionRecord};

impl Database {
    pub(super) fn whole_registered_model(&self, name: &str) -> Result<RegisteredModelRecord> {
        let sql = "SELECT coalesce(creation_time, 0), coalesce(last_updated_time, 0), description \
                   FROM registered_models WHERE name = ?1";
        let mut statement = self.conn.prepare_cached(sql)?;
        let mut model = statement.query_row([name], |row| {
            Ok(RegisteredModelRecord {
                name: name.to_owned(),
                creation_time: row.get(0)?,
                last_updated_time: row.get(1)?,
                description: row.get(2)?,
                tags: Vec::new(),
                aliases: Vec::new(),
                versions: Vec::new(),
            })
        })?;
        let sql = "SELECT key, value FROM registered_model_tags WHERE name = ?1";
        model.tags = self.pairs(sql, [name])?;
        let sql = "SELECT alias, version FROM registered_model_aliases WHERE name = ?1";
        model.aliases = self.rows(sql, [name], |row| Ok((row.get(0)?, row.get(1)?)))?;
        model.versions = self.versions(name)?;
        Ok(model)
    }

    fn versions(&self, name: &str) -> Result<Vec<VersionRecord>> {
        let sql = "SELECT version, coalesce(creation_time, 0), coalesce(last_updated_time, 0), \
                   description, user_id, coalesce(current_stage, 'None'), source, \
                   storage_location, run_id, run_link, coalesce(status, 'READY'), status_message \
                   FROM model_versions WHERE name = ?1 ORDER BY version";
        let mut versions = self.rows(sql, [name], |row| {
            Ok(VersionRecord {
                version: row.get(0)?,
                creation_time: row.get(1)?,
                last_updated_time: row.get(2)?,
                description: row.get(3)?,
                user_id: row.get(4)?,
                current_stage: row.get(5)?,
                source: row.get(6)?,
                storage_location: row.get(7)?,
                run_id: row.get(8)?,
                run_link: row.get(9)?,
                model_id: None,
                status: row.get(10)?,
                status_message: row.get(11)?,
                tags: Vec::new(),
            })
        })?;
        let sql = "SELECT key, value FROM model_version_tags WHERE name = ?1 AND version = ?2";
        for version in &mut versions {
            version.tags = self.pairs(sql, (name, version.version))?;
        }
        Ok(versions)
    }
}
