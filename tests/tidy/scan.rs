//! The paths and items in a source file, read by syn; tests inside it are left out.

use proc_macro2::{Ident, TokenStream, TokenTree};
use syn::visit::Visit;

/// A path in the code, word by word, and the line where it stands.
pub struct Found {
    pub words: Vec<String>,
    pub line: usize,
    /// The name that a `use` gives it in the file; `None` for a path inside the code.
    pub alias: Option<String>,
}

/// A function or a type: its name, its line and how many lines it has.
pub struct Item {
    pub name: String,
    pub line: usize,
    pub lines: usize,
}

/// The paths, functions and types of one file.
#[derive(Default)]
pub struct Scan {
    pub paths: Vec<Found>,
    pub functions: Vec<Item>,
    pub types: Vec<Item>,
    /// The lines of events whose fields are made with `format!`.
    pub sentences: Vec<usize>,
    /// The lines where a code is compared with a text.
    pub compared: Vec<usize>,
    /// The lines of `async` and `.await`.
    pub waits: Vec<usize>,
    /// The constants with a number, outside functions and types.
    pub numbers: Vec<Item>,
    /// The files of tests that it declares.
    pub tests: Vec<TestFile>,
}

/// A file that contains only tests.
pub enum TestFile {
    /// At the place of a child module with this name.
    Child(String),
    /// Beside the file that declares it.
    Beside(String),
}

impl Scan {
    pub fn of(text: &str) -> Self {
        let file = syn::parse_file(text).expect("it compiles, so it can be parsed");
        let mut scan = Self::default();
        scan.visit_file(&file);
        scan
    }

    fn tree(&mut self, prefix: &[String], tree: &syn::UseTree) {
        let with = |ident: &Ident| [prefix, &[ident.to_string()]].concat();
        match tree {
            syn::UseTree::Path(path) => self.tree(&with(&path.ident), &path.tree),
            syn::UseTree::Name(name) if name.ident == "self" => {
                let alias = prefix.last().cloned();
                self.import(prefix.to_vec(), alias, &name.ident);
            }
            syn::UseTree::Name(name) => {
                self.import(with(&name.ident), Some(name.ident.to_string()), &name.ident);
            }
            syn::UseTree::Rename(name) => {
                self.import(
                    with(&name.ident),
                    Some(name.rename.to_string()),
                    &name.ident,
                );
            }
            syn::UseTree::Glob(glob) => self.paths.push(Found {
                words: prefix.to_vec(),
                line: glob.star_token.spans[0].start().line,
                alias: Some("*".to_owned()),
            }),
            syn::UseTree::Group(group) => {
                group.items.iter().for_each(|tree| self.tree(prefix, tree));
            }
        }
    }

    fn import(&mut self, words: Vec<String>, alias: Option<String>, at: &Ident) {
        let line = at.span().start().line;
        self.paths.push(Found { words, line, alias });
    }

    /// Paths among the tokens of a macro, which syn does not parse: words joined by `::`.
    fn tokens(&mut self, stream: TokenStream) {
        let mut path: Vec<Ident> = Vec::new();
        let mut colons = 0;
        for token in stream {
            match token {
                TokenTree::Ident(word) => {
                    if colons != 2 {
                        self.end_path(&mut path);
                    }
                    path.push(word);
                    colons = 0;
                }
                TokenTree::Punct(mark) if mark.as_char() == ':' => colons += 1,
                TokenTree::Group(group) => {
                    self.end_path(&mut path);
                    colons = 0;
                    self.tokens(group.stream());
                }
                _ => {
                    self.end_path(&mut path);
                    colons = 0;
                }
            }
        }
        self.end_path(&mut path);
    }

    fn end_path(&mut self, path: &mut Vec<Ident>) {
        if let [first, _, ..] = &path[..] {
            self.paths.push(Found {
                line: first.span().start().line,
                words: path.iter().map(Ident::to_string).collect(),
                alias: None,
            });
        }
        path.clear();
    }

    fn function(&mut self, signature: &syn::Signature, block: &syn::Block) {
        let name = &signature.ident;
        let line = name.span().start().line;
        self.waits.extend(signature.asyncness.map(|_| line));
        let end = block.brace_token.span.close().start().line;
        self.functions.push(Item {
            name: name.to_string(),
            line,
            lines: end - line + 1,
        });
    }

    fn named(&mut self, name: &Ident) {
        self.types.push(Item {
            name: name.to_string(),
            line: name.span().start().line,
            lines: 1,
        });
    }
}

fn is_test(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let path = attribute.path();
        let is_cfg = || {
            attribute
                .parse_args::<Ident>()
                .is_ok_and(|ident| ident == "test")
        };
        path.is_ident("test") || (path.is_ident("cfg") && is_cfg())
    })
}

/// The path in `#[path = "..."]`.
fn path_of(attribute: &syn::Attribute) -> Option<String> {
    let named = attribute.meta.require_name_value().ok()?;
    match &named.value {
        syn::Expr::Lit(literal) if named.path.is_ident("path") => match &literal.lit {
            syn::Lit::Str(path) => Some(path.value()),
            _ => None,
        },
        _ => None,
    }
}

/// Whether this is a code by its name: `error.code()`, `refusal.code`, `code`.
fn is_code(expr: &syn::Expr) -> bool {
    match expr {
        syn::Expr::MethodCall(call) if call.method == "code" => true,
        syn::Expr::MethodCall(call) => call.method == "as_str" && is_code(&call.receiver),
        syn::Expr::Field(field) => {
            matches!(&field.member, syn::Member::Named(name) if name == "code")
        }
        syn::Expr::Path(path) => path.path.is_ident("code"),
        syn::Expr::Reference(of) => is_code(&of.expr),
        syn::Expr::Unary(of) => is_code(&of.expr),
        syn::Expr::Paren(of) => is_code(&of.expr),
        _ => false,
    }
}

/// Whether this is a text, or a constant with one.
fn is_text(expr: &syn::Expr) -> bool {
    match expr {
        syn::Expr::Lit(literal) => matches!(literal.lit, syn::Lit::Str(_)),
        syn::Expr::Path(path) => path.path.segments.last().is_some_and(|last| {
            let name = last.ident.to_string();
            name.len() > 1 && name.chars().all(|c| c.is_ascii_uppercase() || c == '_')
        }),
        syn::Expr::Reference(of) => is_text(&of.expr),
        _ => false,
    }
}

fn line_of(expr: &syn::Expr) -> usize {
    syn::spanned::Spanned::span(expr).start().line
}

/// The types of limits.
const NUMBERS: [&str; 7] = ["u16", "u32", "u64", "usize", "f64", "Duration", "Moment"];

/// Whether `format!` was seen.
struct Formats(bool);

impl<'a> Visit<'a> for Formats {
    fn visit_macro(&mut self, called: &'a syn::Macro) {
        self.0 |= called.path.is_ident("format");
    }
}

impl<'a> Visit<'a> for Scan {
    fn visit_item_mod(&mut self, item: &'a syn::ItemMod) {
        if !is_test(&item.attrs) {
            syn::visit::visit_item_mod(self, item);
        } else if item.content.is_none() {
            let path = item.attrs.iter().find_map(path_of);
            let child = || TestFile::Child(format!("{}.rs", item.ident));
            self.tests.push(path.map_or_else(child, TestFile::Beside));
        }
    }

    fn visit_item_use(&mut self, item: &'a syn::ItemUse) {
        if !is_test(&item.attrs) {
            self.tree(&[], &item.tree);
        }
    }

    fn visit_item_fn(&mut self, item: &'a syn::ItemFn) {
        if !is_test(&item.attrs) {
            self.function(&item.sig, &item.block);
            syn::visit::visit_item_fn(self, item);
        }
    }

    fn visit_impl_item_fn(&mut self, item: &'a syn::ImplItemFn) {
        if !is_test(&item.attrs) {
            self.function(&item.sig, &item.block);
            syn::visit::visit_impl_item_fn(self, item);
        }
    }

    fn visit_expr_struct(&mut self, made: &'a syn::ExprStruct) {
        let words = || made.path.segments.iter().map(|one| one.ident.to_string());
        let is_event = words().any(|word| {
            word == "Event" || word == "Quirk" || word.ends_with("Event") || word.ends_with("Quirk")
        });
        let mut fields = Formats(false);
        syn::visit::visit_expr_struct(&mut fields, made);
        if let (true, true, Some(first)) = (is_event, fields.0, made.path.segments.first()) {
            self.sentences.push(first.ident.span().start().line);
        }
        syn::visit::visit_expr_struct(self, made);
    }

    fn visit_expr_binary(&mut self, binary: &'a syn::ExprBinary) {
        let compares = matches!(binary.op, syn::BinOp::Eq(_) | syn::BinOp::Ne(_));
        let sides = [(&binary.left, &binary.right), (&binary.right, &binary.left)];
        if compares
            && sides
                .iter()
                .any(|(one, other)| is_code(one) && is_text(other))
        {
            self.compared.push(line_of(&binary.left));
        }
        syn::visit::visit_expr_binary(self, binary);
    }

    fn visit_expr_match(&mut self, matched: &'a syn::ExprMatch) {
        let is_text = |arm: &syn::Arm| {
            let syn::Pat::Lit(literal) = &arm.pat else {
                return false;
            };
            matches!(literal.lit, syn::Lit::Str(_))
        };
        if is_code(&matched.expr) && matched.arms.iter().any(is_text) {
            self.compared.push(line_of(&matched.expr));
        }
        syn::visit::visit_expr_match(self, matched);
    }

    fn visit_expr_method_call(&mut self, call: &'a syn::ExprMethodCall) {
        let looks = ["contains", "starts_with", "ends_with"];
        let is_look = looks.iter().any(|look| call.method == look);
        if is_look && is_code(&call.receiver) && call.args.iter().any(is_text) {
            self.compared.push(line_of(&call.receiver));
        }
        syn::visit::visit_expr_method_call(self, call);
    }

    fn visit_expr_await(&mut self, wait: &'a syn::ExprAwait) {
        self.waits.push(wait.await_token.span.start().line);
        syn::visit::visit_expr_await(self, wait);
    }

    fn visit_expr_async(&mut self, block: &'a syn::ExprAsync) {
        self.waits.push(block.async_token.span.start().line);
        syn::visit::visit_expr_async(self, block);
    }

    fn visit_item_const(&mut self, item: &'a syn::ItemConst) {
        let is_number = matches!(&*item.ty, syn::Type::Path(path) if NUMBERS
            .iter()
            .any(|number| path.path.segments.last().is_some_and(|last| last.ident == number)));
        if is_number && !is_test(&item.attrs) {
            let name = item.ident.to_string();
            let line = item.ident.span().start().line;
            self.numbers.push(Item {
                name,
                line,
                lines: 1,
            });
        }
        syn::visit::visit_item_const(self, item);
    }

    fn visit_item_struct(&mut self, item: &'a syn::ItemStruct) {
        self.named(&item.ident);
        syn::visit::visit_item_struct(self, item);
    }

    fn visit_item_enum(&mut self, item: &'a syn::ItemEnum) {
        self.named(&item.ident);
        syn::visit::visit_item_enum(self, item);
    }

    fn visit_item_trait(&mut self, item: &'a syn::ItemTrait) {
        self.named(&item.ident);
        syn::visit::visit_item_trait(self, item);
    }

    fn visit_item_type(&mut self, item: &'a syn::ItemType) {
        self.named(&item.ident);
        syn::visit::visit_item_type(self, item);
    }

    fn visit_path(&mut self, path: &'a syn::Path) {
        let segments = path.segments.iter();
        let words: Vec<String> = segments.map(|segment| segment.ident.to_string()).collect();
        if let Some(first) = path.segments.first().filter(|_| words.len() > 1) {
            let line = first.ident.span().start().line;
            let alias = None;
            self.paths.push(Found { words, line, alias });
        }
        syn::visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, called: &'a syn::Macro) {
        self.tokens(called.tokens.clone());
        syn::visit::visit_macro(self, called);
    }

    fn visit_meta_list(&mut self, list: &'a syn::MetaList) {
        self.tokens(list.tokens.clone());
        syn::visit::visit_meta_list(self, list);
    }
}
