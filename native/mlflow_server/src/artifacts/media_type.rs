//! The media type that a file's name suggests, as MLflow guesses it: what its interface shows as text
//! is text, whatever else it is.

const TEXTS: [&str; 26] = [
    "txt",
    "log",
    "err",
    "cfg",
    "conf",
    "cnf",
    "cf",
    "ini",
    "properties",
    "prop",
    "hocon",
    "toml",
    "yaml",
    "yml",
    "xml",
    "json",
    "js",
    "py",
    "py3",
    "csv",
    "tsv",
    "md",
    "rst",
    "ipynb",
    "MLmodel",
    "MLproject",
];
/// Endings that say how a file is packed, and not what it is.
const ENCODINGS: [&str; 5] = ["gz", "Z", "bz2", "xz", "br"];
const UNKNOWN: &str = "application/octet-stream";

pub fn guess(name: &str) -> &'static str {
    let (stem, extension) = split(name);
    let ending = if extension.is_empty() {
        name
    } else {
        extension
    };
    if TEXTS.contains(&ending) {
        return "text/plain";
    }
    let what = if ENCODINGS.contains(&extension) {
        split(stem).1
    } else {
        extension
    };
    by_extension(&what.to_ascii_lowercase())
}

fn split(name: &str) -> (&str, &str) {
    match name.rsplit_once('.') {
        Some((stem, extension)) if !stem.trim_start_matches('.').is_empty() => (stem, extension),
        _ => (name, ""),
    }
}

fn by_extension(extension: &str) -> &'static str {
    match extension {
        "html" | "htm" => "text/html",
        "css" => "text/css",
        "mjs" | "js" => "application/javascript",
        "json" => "application/json",
        "xml" => "text/xml",
        "csv" => "text/csv",
        "tsv" => "text/tab-separated-values",
        "txt" | "c" | "h" | "bat" | "ksh" | "pl" | "srt" => "text/plain",
        "py" => "text/x-python",
        "vtt" => "text/vtt",
        "png" => "image/png",
        "jpg" | "jpeg" | "jpe" => "image/jpeg",
        "gif" => "image/gif",
        "svg" | "svgz" => "image/svg+xml",
        "bmp" => "image/bmp",
        "tif" | "tiff" => "image/tiff",
        "ico" => "image/vnd.microsoft.icon",
        "avif" => "image/avif",
        "heic" => "image/heic",
        "pdf" => "application/pdf",
        "zip" => "application/zip",
        "tar" | "tgz" | "taz" | "tz" | "tbz2" | "txz" => "application/x-tar",
        "h5" => "application/x-hdf5",
        "hdf" => "application/x-hdf",
        "nc" => "application/x-netcdf",
        "wasm" => "application/wasm",
        "sh" => "application/x-sh",
        "tex" => "application/x-tex",
        "ps" | "eps" | "ai" => "application/postscript",
        "doc" => "application/msword",
        "xls" => "application/vnd.ms-excel",
        "ppt" => "application/vnd.ms-powerpoint",
        "wav" => "audio/x-wav",
        "mp3" => "audio/mpeg",
        "aac" => "audio/aac",
        "opus" => "audio/opus",
        "mp4" => "video/mp4",
        "mpg" | "mpeg" => "video/mpeg",
        "mov" | "qt" => "video/quicktime",
        "avi" => "video/x-msvideo",
        "webm" => "video/webm",
        _ => UNKNOWN,
    }
}

#[cfg(test)]
mod tests {
    use super::guess;

    #[test]
    fn types_are_guessed_as_mlflow_guesses_them() {
        for (name, expected) in [
            ("MLmodel", "text/plain"),
            ("a.json", "text/plain"),
            ("a.PNG", "image/png"),
            ("a.tar.gz", "application/x-tar"),
            ("page.html", "text/html"),
            ("model.pkl", "application/octet-stream"),
            (".hidden", "application/octet-stream"),
            ("noending", "application/octet-stream"),
        ] {
            assert_eq!(guess(name), expected, "{name}");
        }
    }
}
