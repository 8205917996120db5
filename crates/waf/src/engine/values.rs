//! The parts of a request and a response as rules call them.

use super::texts::{TextIndex, Texts};
use crate::{Body, Head, Policy, Processor, Request, Response, Variable};
use std::{borrow::Cow, ops::Range};

/// A member's name.
#[derive(Clone, Copy, Debug)]
pub(super) enum Name<'t> {
    None,
    Of(&'t [u8]),
    Kept(TextIndex),
}

/// One value and what it is called.
#[derive(Clone, Copy, Debug)]
pub(super) struct Value<'t> {
    pub(super) variable: Variable,
    pub(super) name: Name<'t>,
    pub(super) text: TextIndex,
    /// Whether it is conversation text.
    pub(super) conversation: bool,
}

/// How many variables there are.
const VARIABLES: usize = Variable::Xml as usize + 1;

/// All values that do not change while a phase runs.
pub(super) struct Values<'t> {
    list: Vec<Value<'t>>,
    ranges: [Range<usize>; VARIABLES],
}

impl<'t> Values<'t> {
    pub(super) fn new() -> Self {
        Self { list: Vec::with_capacity(96), ranges: std::array::from_fn(|_| 0..0) }
    }

    /// The values of a variable.
    pub(super) fn of(&self, variable: Variable) -> &[Value<'t>] {
        let range = self.ranges.get(variable as usize).cloned().unwrap_or(0..0);
        self.list.get(range).unwrap_or(&[])
    }
}

/// What values are made of in the request's phases.
#[derive(Clone, Copy)]
pub(super) struct RequestSide<'t> {
    pub(super) request: &'t Request<'t>,
    pub(super) head: &'t Head,
    /// Absent before the body is read.
    pub(super) body: Option<&'t Body>,
    pub(super) processor: Processor,
    /// The whole body is wanted as one text beside its parts.
    pub(super) whole: bool,
    pub(super) policy: &'t Policy,
}

impl<'t> RequestSide<'t> {
    /// All values of the variables in use.
    pub(super) fn gather(&self, used: &[Variable], texts: &mut Texts<'t>, values: &mut Values<'t>) {
        values.list.clear();
        for variable in used {
            let start = values.list.len();
            self.add(*variable, texts, &mut values.list);
            if let Some(range) = values.ranges.get_mut(*variable as usize) {
                *range = start..values.list.len();
            }
        }
    }

    fn add(&self, variable: Variable, texts: &mut Texts<'t>, list: &mut Vec<Value<'t>>) {
        use Variable as V;
        let (request, head) = (self.request, self.head);
        let mut out = Out { variable, texts, list };
        match variable {
            V::Args | V::ArgsGet | V::ArgsPost | V::ArgsNames | V::ArgsGetNames | V::ArgsPostNames => {
                self.arguments(&mut out)
            }
            V::ArgsCombinedSize => {
                let posted = self.body.map_or(&[][..], |body| &body.args);
                out.number(
                    head.args.iter().chain(posted).map(|pair| pair.name.len() + pair.value.len()).sum(),
                );
            }
            V::Files => self.files().iter().for_each(|file| out.put(&file.field, &file.filename)),
            V::FilesNames => self.files().iter().for_each(|file| out.put(&file.field, &file.field)),
            V::FilesSizes => {
                for file in self.files() {
                    out.owned(Name::Of(&file.field), file.size.to_string());
                }
            }
            V::FilesCombinedSize => out.number(self.files().iter().map(|file| file.size).sum()),
            V::MultipartPartHeaders => {
                self.body
                    .iter()
                    .flat_map(|body| &body.part_headers)
                    .for_each(|pair| out.put(&pair.name, &pair.value));
            }
            V::MultipartStrictError => out.flag(self.body.is_some_and(|body| body.multipart_strict_error)),
            V::MultipartUnmatchedBoundary => {
                out.flag(self.body.is_some_and(|body| body.multipart_unmatched_boundary))
            }
            V::ReqbodyError => out.flag(self.body.is_some_and(|body| body.error.is_some())),
            V::ReqbodyErrorMsg => {
                if let Some(trouble) = self.body.and_then(|body| body.error.as_ref()) {
                    out.one(trouble.as_bytes());
                }
            }
            V::ReqbodyProcessor => out.one(self.processor.name().as_bytes()),
            V::RequestBody => self.whole_body(&mut out),
            V::RequestBodyLength => {
                if self.body.is_some() {
                    out.number(request.body.len());
                }
            }
            V::Xml => {
                if let Some(text) = self.body.and_then(|body| body.xml_text.as_ref()) {
                    out.put(b"/*", text);
                }
                for attribute in self.body.iter().flat_map(|body| &body.xml_attributes) {
                    out.put(b"//@*", attribute);
                }
            }
            V::QueryString => out.one(&head.query),
            V::RemoteAddr => out.owned(Name::None, request.remote.to_string()),
            V::RequestBasename => out.one(&head.basename),
            V::RequestCookies => head.cookies.iter().for_each(|pair| out.put(&pair.name, &pair.value)),
            V::RequestCookiesNames => head.cookies.iter().for_each(|pair| out.put(&pair.name, &pair.name)),
            V::RequestFilename => out.one(&head.filename),
            V::RequestHeaders => request.headers.iter().for_each(|(name, value)| out.put(name, value)),
            V::RequestHeadersNames => request.headers.iter().for_each(|(name, _)| out.put(name, name)),
            V::RequestLine => out.one(&head.line),
            V::RequestMethod => out.one(request.method),
            V::RequestProtocol => out.one(request.protocol),
            V::RequestUri => out.one(&head.uri),
            V::RequestUriRaw => out.one(request.target),
            V::UniqueId => out.one(b""),
            V::UrlencodedError => out.flag(head.urlencoded_error),
            V::ResponseBody
            | V::ResponseContentLength
            | V::ResponseContentType
            | V::ResponseHeaders
            | V::ResponseHeadersNames
            | V::ResponseProtocol
            | V::ResponseStatus
            | V::Tx
            | V::MatchedVar
            | V::MatchedVarName
            | V::MatchedVars
            | V::MatchedVarsNames => {}
        }
    }

    fn files(&self) -> &'t [crate::FilePart] {
        self.body.map_or(&[], |body| &body.files)
    }

    fn arguments(&self, out: &mut Out<'_, 't>) {
        use Variable as V;
        let names = matches!(out.variable, V::ArgsNames | V::ArgsGetNames | V::ArgsPostNames);
        let query = matches!(out.variable, V::Args | V::ArgsNames | V::ArgsGet | V::ArgsGetNames);
        let posted = matches!(out.variable, V::Args | V::ArgsNames | V::ArgsPost | V::ArgsPostNames);
        for pair in self.head.args.iter().filter(|_| query) {
            out.put(&pair.name, if names { &pair.name } else { &pair.value });
        }
        for name in self.body.iter().flat_map(|body| &body.bare_names).filter(|_| posted && names) {
            out.put(name, name);
        }
        for pair in self.body.iter().flat_map(|body| &body.args).filter(|_| posted) {
            if names {
                out.put(&pair.name, &pair.name);
            } else {
                let conversation = is_conversation(self.policy, &pair.name);
                out.add(Name::Of(&pair.name), Cow::Borrowed(&pair.value), conversation);
            }
        }
    }

    /// The body as one text.
    fn whole_body(&self, out: &mut Out<'_, 't>) {
        let Some(body) = self.body else { return };
        // What a reader took apart is looked at in its parts, as SecLang has it; what it could not read
        // is looked at whole.
        let apart =
            !matches!(self.processor, Processor::None | Processor::Urlencoded) && body.error.is_none();
        if apart && !self.whole {
            return;
        }
        if !self.request.body.is_empty() {
            out.one(self.request.body);
        }
    }
}

fn is_conversation(policy: &Policy, name: &[u8]) -> bool {
    policy.conversation_text.iter().any(|known| known.as_bytes() == name)
}

/// Adds a response's values; those of the request stay.
pub(super) fn add_response<'t>(
    response: &'t Response<'t>,
    used: &[Variable],
    texts: &mut Texts<'t>,
    values: &mut Values<'t>,
) {
    use Variable as V;
    for variable in used {
        let start = values.list.len();
        let mut out = Out { variable: *variable, texts, list: &mut values.list };
        match variable {
            V::ResponseBody => out.one(response.body),
            V::ResponseContentLength => {
                response.header("content-length").into_iter().for_each(|value| out.one(value))
            }
            V::ResponseContentType => {
                response.header("content-type").into_iter().for_each(|value| out.one(value))
            }
            V::ResponseHeaders => response.headers.iter().for_each(|(name, value)| out.put(name, value)),
            V::ResponseHeadersNames => response.headers.iter().for_each(|(name, _)| out.put(name, name)),
            V::ResponseProtocol => out.one(response.protocol),
            V::ResponseStatus => out.number(response.status.into()),
            _ => continue,
        }
        if let Some(range) = values.ranges.get_mut(*variable as usize) {
            *range = start..values.list.len();
        }
    }
}

/// Where values of one variable are put.
struct Out<'o, 't> {
    variable: Variable,
    texts: &'o mut Texts<'t>,
    list: &'o mut Vec<Value<'t>>,
}

impl<'t> Out<'_, 't> {
    fn add(&mut self, name: Name<'t>, bytes: Cow<'t, [u8]>, conversation: bool) {
        let text = self.texts.keep(bytes);
        self.list.push(Value { variable: self.variable, name, text, conversation });
    }

    fn put(&mut self, name: &'t [u8], value: &'t [u8]) {
        self.add(Name::Of(name), Cow::Borrowed(value), false);
    }

    fn one(&mut self, value: &'t [u8]) {
        self.add(Name::None, Cow::Borrowed(value), false);
    }

    fn owned(&mut self, name: Name<'t>, value: String) {
        self.add(name, Cow::Owned(value.into_bytes()), false);
    }

    fn number(&mut self, value: usize) {
        self.owned(Name::None, value.to_string());
    }

    fn flag(&mut self, value: bool) {
        self.one(if value { b"1" } else { b"0" });
    }
}
