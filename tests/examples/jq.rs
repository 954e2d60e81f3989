//! jq, as far as the recipes in `docs/audit.md` need it: `jq [-rs] PROGRAM`, from standard input to standard output.
//!
//! Their test runs it, so that it finds wrong recipes also where jq is not installed. The language is that of the library `jaq`.

use std::{
    env,
    error::Error,
    io::{self, Read as _, Write as _},
};

use jaq_core::{
    Compiler, Ctx, Vars, data,
    load::{Arena, File, Loader, parse},
    unwrap_valr,
};
use jaq_json::{Val, read, write};

/// What jq has and the library has not.
const MORE: &str = r#"
    def @tsv:
        def cell: [["\\", "\\\\"], ["\t", "\\t"], ["\n", "\\n"], ["\r", "\\r"]] as $escapes
            | reduce $escapes[] as [$character, $escaped] (tostring; split($character) | join($escaped));
        map(if . == null then "" else cell end) | join("\t");
"#;

/// What is asked for.
#[derive(Default)]
struct Asked {
    program: Option<String>,
    /// `-r`: texts are written as they are.
    raw: bool,
    /// `-s`: all that is read is one list.
    slurp: bool,
}

impl Asked {
    fn of(words: impl Iterator<Item = String>) -> Result<Self, Box<dyn Error>> {
        let mut asked = Self::default();
        for word in words {
            let Some(flags) = word.strip_prefix('-') else {
                if asked.program.replace(word).is_some() {
                    return Err("one program, and no files".into());
                }
                continue;
            };
            for flag in flags.chars() {
                match flag {
                    'r' => asked.raw = true,
                    's' => asked.slurp = true,
                    _ => return Err(format!("-{flag} is not known here").into()),
                }
            }
        }
        Ok(asked)
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let Asked { program, raw, slurp } = Asked::of(env::args().skip(1))?;
    let program = program.ok_or("no program")?;
    let more = parse(MORE, |parser| parser.defs()).ok_or("the definitions of this program are wrong")?;
    let definitions = jaq_core::defs().chain(jaq_std::defs()).chain(jaq_json::defs()).chain(more);
    let functions = jaq_core::funs().chain(jaq_std::funs()).chain(jaq_json::funs());
    let arena = Arena::default();
    let modules = Loader::new(definitions).load(&arena, File { code: program.as_str(), path: () });
    let modules = modules.map_err(|errors| format!("{program}: {errors:?}"))?;
    let filter = Compiler::default().with_funs(functions).compile(modules);
    let filter = filter.map_err(|errors| format!("{program}: {errors:?}"))?;

    let mut input = Vec::new();
    io::stdin().read_to_end(&mut input)?;
    let values: Result<Vec<Val>, _> = read::parse_many(&input).collect();
    let values = values.map_err(|error| format!("the input is no JSON: {error:?}"))?;
    let values = if slurp { vec![values.into_iter().collect::<Val>()] } else { values };
    let pretty = write::Pp { indent: Some("  ".to_owned()), sep_space: true, ..write::Pp::default() };
    let mut output = io::stdout().lock();
    for value in values {
        let context = Ctx::<data::JustLut<Val>>::new(&filter.lut, Vars::new([]));
        for result in filter.id.run((context, value)).map(unwrap_valr) {
            match result.map_err(|error| format!("{program}: {error}"))? {
                Val::TStr(text) if raw => output.write_all(&text)?,
                result => write::write(&mut output, &pretty, 0, &result)?,
            }
            output.write_all(b"\n")?;
        }
    }
    Ok(())
}
