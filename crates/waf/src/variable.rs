//! The names by which rules call the parts of a request: `ARGS`, `REQUEST_HEADERS`, `TX`..

/// A variable of SecLang. Some are collections of named values, the others one value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Variable {
    /// All arguments: query, then body.
    Args,
    /// The sum of the lengths of all arguments' names and values.
    ArgsCombinedSize,
    /// Arguments of the query.
    ArgsGet,
    /// Names of the query's arguments.
    ArgsGetNames,
    /// Names of all arguments.
    ArgsNames,
    /// Arguments of the body.
    ArgsPost,
    /// Names of the body's arguments.
    ArgsPostNames,
    /// Names of uploaded files, as the client gave them.
    Files,
    /// The sum of the sizes of uploaded files.
    FilesCombinedSize,
    /// Form fields that carried files.
    FilesNames,
    /// Sizes of uploaded files.
    FilesSizes,
    /// The value matched last.
    MatchedVar,
    /// The name of the value matched last.
    MatchedVarName,
    /// All values matched by this chain so far.
    MatchedVars,
    /// Their names.
    MatchedVarsNames,
    /// Header lines of multipart parts, by part name.
    MultipartPartHeaders,
    /// Whether a multipart body was malformed.
    MultipartStrictError,
    /// Whether a boundary stood in the body that was not declared.
    MultipartUnmatchedBoundary,
    /// The query, raw.
    QueryString,
    /// The peer's address.
    RemoteAddr,
    /// Whether the body could not be read.
    ReqbodyError,
    /// Why the body could not be read.
    ReqbodyErrorMsg,
    /// Which reader read the body.
    ReqbodyProcessor,
    /// The last part of the path.
    RequestBasename,
    /// The whole body, raw.
    RequestBody,
    /// The body's length.
    RequestBodyLength,
    /// Cookies.
    RequestCookies,
    /// Names of cookies.
    RequestCookiesNames,
    /// The decoded path.
    RequestFilename,
    /// Header fields.
    RequestHeaders,
    /// Names of header fields.
    RequestHeadersNames,
    /// The request line.
    RequestLine,
    /// The method.
    RequestMethod,
    /// The protocol, for example `HTTP/1.1`.
    RequestProtocol,
    /// The target without scheme and host.
    RequestUri,
    /// The target as sent.
    RequestUriRaw,
    /// The response's body.
    ResponseBody,
    /// The response's declared length.
    ResponseContentLength,
    /// The response's media type.
    ResponseContentType,
    /// The response's header fields.
    ResponseHeaders,
    /// Their names.
    ResponseHeadersNames,
    /// The response's protocol.
    ResponseProtocol,
    /// The status code.
    ResponseStatus,
    /// What rules have written down during this request.
    Tx,
    /// A name for this request, unlike all others.
    UniqueId,
    /// Whether the query was badly encoded.
    UrlencodedError,
    /// The text (`/*`) or the attributes (`//@*`) of an XML body.
    Xml,
}

/// Every variable with its name and whether it is a collection.
const NAMES: [(&str, Variable, bool); 46] = [
    ("ARGS", Variable::Args, true),
    ("ARGS_COMBINED_SIZE", Variable::ArgsCombinedSize, false),
    ("ARGS_GET", Variable::ArgsGet, true),
    ("ARGS_GET_NAMES", Variable::ArgsGetNames, true),
    ("ARGS_NAMES", Variable::ArgsNames, true),
    ("ARGS_POST", Variable::ArgsPost, true),
    ("ARGS_POST_NAMES", Variable::ArgsPostNames, true),
    ("FILES", Variable::Files, true),
    ("FILES_COMBINED_SIZE", Variable::FilesCombinedSize, false),
    ("FILES_NAMES", Variable::FilesNames, true),
    ("FILES_SIZES", Variable::FilesSizes, true),
    ("MATCHED_VAR", Variable::MatchedVar, false),
    ("MATCHED_VAR_NAME", Variable::MatchedVarName, false),
    ("MATCHED_VARS", Variable::MatchedVars, true),
    ("MATCHED_VARS_NAMES", Variable::MatchedVarsNames, true),
    ("MULTIPART_PART_HEADERS", Variable::MultipartPartHeaders, true),
    ("MULTIPART_STRICT_ERROR", Variable::MultipartStrictError, false),
    ("MULTIPART_UNMATCHED_BOUNDARY", Variable::MultipartUnmatchedBoundary, false),
    ("QUERY_STRING", Variable::QueryString, false),
    ("REMOTE_ADDR", Variable::RemoteAddr, false),
    ("REQBODY_ERROR", Variable::ReqbodyError, false),
    ("REQBODY_ERROR_MSG", Variable::ReqbodyErrorMsg, false),
    ("REQBODY_PROCESSOR", Variable::ReqbodyProcessor, false),
    ("REQUEST_BASENAME", Variable::RequestBasename, false),
    ("REQUEST_BODY", Variable::RequestBody, false),
    ("REQUEST_BODY_LENGTH", Variable::RequestBodyLength, false),
    ("REQUEST_COOKIES", Variable::RequestCookies, true),
    ("REQUEST_COOKIES_NAMES", Variable::RequestCookiesNames, true),
    ("REQUEST_FILENAME", Variable::RequestFilename, false),
    ("REQUEST_HEADERS", Variable::RequestHeaders, true),
    ("REQUEST_HEADERS_NAMES", Variable::RequestHeadersNames, true),
    ("REQUEST_LINE", Variable::RequestLine, false),
    ("REQUEST_METHOD", Variable::RequestMethod, false),
    ("REQUEST_PROTOCOL", Variable::RequestProtocol, false),
    ("REQUEST_URI", Variable::RequestUri, false),
    ("REQUEST_URI_RAW", Variable::RequestUriRaw, false),
    ("RESPONSE_BODY", Variable::ResponseBody, false),
    ("RESPONSE_CONTENT_LENGTH", Variable::ResponseContentLength, false),
    ("RESPONSE_CONTENT_TYPE", Variable::ResponseContentType, false),
    ("RESPONSE_HEADERS", Variable::ResponseHeaders, true),
    ("RESPONSE_HEADERS_NAMES", Variable::ResponseHeadersNames, true),
    ("RESPONSE_PROTOCOL", Variable::ResponseProtocol, false),
    ("RESPONSE_STATUS", Variable::ResponseStatus, false),
    ("TX", Variable::Tx, true),
    ("UNIQUE_ID", Variable::UniqueId, false),
    ("URLENCODED_ERROR", Variable::UrlencodedError, false),
];

impl Variable {
    /// The variable of this name, letters compared without case.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        if name.eq_ignore_ascii_case("XML") {
            return Some(Self::Xml);
        }
        NAMES.iter().find(|(known, ..)| known.eq_ignore_ascii_case(name)).map(|(_, variable, _)| *variable)
    }

    /// The names of all variables, in a row.
    pub(crate) fn all_names() -> String {
        let names: Vec<&str> = NAMES.iter().map(|(name, ..)| *name).chain(["XML"]).collect();
        names.join(", ")
    }

    /// Whether it is a part of the request.
    #[must_use]
    pub(crate) fn is_of_request(self) -> bool {
        let of_response = matches!(
            self,
            Self::ResponseBody
                | Self::ResponseContentLength
                | Self::ResponseContentType
                | Self::ResponseHeaders
                | Self::ResponseHeadersNames
                | Self::ResponseProtocol
                | Self::ResponseStatus
        );
        !of_response && !self.is_live() && self != Self::UniqueId
    }

    /// Its name in rules.
    #[must_use]
    pub fn name(self) -> &'static str {
        NAMES.iter().find(|(_, variable, _)| *variable == self).map_or("XML", |(name, ..)| name)
    }

    /// Whether it holds named values, so that `NAME:selector` says something.
    #[must_use]
    pub fn is_collection(self) -> bool {
        self == Self::Xml || NAMES.iter().any(|(_, variable, many)| *variable == self && *many)
    }

    /// Whether rules themselves change it while they run.
    #[must_use]
    pub(crate) fn is_live(self) -> bool {
        matches!(
            self,
            Self::Tx | Self::MatchedVar | Self::MatchedVarName | Self::MatchedVars | Self::MatchedVarsNames
        )
    }
}
