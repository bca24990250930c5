//! Decisions on numbers that may not be finite are made on bits: every shader, as naga reads it.
//!
//! WGSL lets a compiler assume that no number is NaN or infinite. So `x != x`, a comparison with a
//! bound, or a test of the bits of a number that was just computed may be removed. The rules here:
//!
//! - bits become a float only where the same expression replaces what is not finite by 0;
//! - a float's bits may be looked at only if they are loaded from workgroup memory;
//! - comparisons, `min`, `max`, `clamp` and the like take only numbers that are finite: results of
//!   such a replacement, uniforms, weights, members of a lane's state, and arithmetic on these
//!   without a sum in a loop;
//! - what is stored as a float is finite in this sense.
//!
//! The sums that `finish` receives are finite because of the limits of `src/gpu/limits.rs`.

use std::collections::{BTreeSet, HashMap};

use naga::valid::{Capabilities, FunctionInfo, ModuleInfo, ValidationFlags, Validator};
use naga::{
    AddressSpace, BinaryOperator, Block, Expression, Function, Handle, Literal, MathFunction, Module, ScalarKind,
    Statement,
};
use unrelu::internals::kernel_params::entry_points::ENTRY_POINTS;

/// Buffers of floats that the host has checked.
const FINITE_BUFFERS: [&str; 3] = ["weight", "transposed", "bias"];

type Value = Handle<Expression>;

/// One function, by its place in `module.functions`, or `None` for an entry point.
struct Body<'a> {
    function: &'a Function,
    info: &'a FunctionInfo,
    handle: Option<Handle<Function>>,
    stores: Vec<(Value, Value, bool)>,
    calls: Vec<(Handle<Function>, Vec<Value>, Option<Value>)>,
    returns: Vec<Value>,
    /// Conditions, and operands of atomic operations.
    decisions: Vec<Value>,
}

impl<'a> Body<'a> {
    fn new(function: &'a Function, info: &'a FunctionInfo, handle: Option<Handle<Function>>) -> Self {
        let mut body = Body {
            function,
            info,
            handle,
            stores: Vec::new(),
            calls: Vec::new(),
            returns: Vec::new(),
            decisions: Vec::new(),
        };
        body.read(&function.body, false);
        body
    }

    fn read(&mut self, block: &Block, in_loop: bool) {
        for statement in block {
            match statement {
                Statement::Block(inner) => self.read(inner, in_loop),
                Statement::If { condition, accept, reject } => {
                    self.decisions.push(*condition);
                    self.read(accept, in_loop);
                    self.read(reject, in_loop);
                }
                Statement::Switch { selector, cases } => {
                    self.decisions.push(*selector);
                    cases.iter().for_each(|case| self.read(&case.body, in_loop));
                }
                Statement::Loop { body, continuing, break_if } => {
                    self.decisions.extend(break_if);
                    self.read(body, true);
                    self.read(continuing, true);
                }
                Statement::Return { value } => self.returns.extend(value),
                Statement::Store { pointer, value } => self.stores.push((*pointer, *value, in_loop)),
                Statement::Call { function, arguments, result } => {
                    self.calls.push((*function, arguments.clone(), *result));
                }
                Statement::Atomic { value, .. } => self.decisions.push(*value),
                Statement::Emit(_)
                | Statement::Break
                | Statement::Continue
                | Statement::ControlBarrier(_)
                | Statement::MemoryBarrier(_)
                | Statement::WorkGroupUniformLoad { .. }
                | Statement::SubgroupCollectiveOperation { .. } => {}
                other => panic!("a statement that this test does not know: {other:?}"),
            }
        }
    }

    fn at(&self, value: Value) -> &Expression {
        &self.function.expressions[value]
    }

    fn kind(&self, module: &Module, value: Value) -> Option<ScalarKind> {
        self.info[value].ty.inner_with(&module.types).scalar_kind()
    }

    /// The operands of an expression that are values, not pointers.
    fn operands(&self, value: Value) -> Vec<Value> {
        match self.at(value) {
            Expression::Compose { components, .. } => components.clone(),
            Expression::Access { base, .. } | Expression::AccessIndex { base, .. } => vec![*base],
            Expression::Splat { value, .. } => vec![*value],
            Expression::Swizzle { vector, .. } => vec![*vector],
            Expression::Unary { expr, .. } | Expression::As { expr, .. } => vec![*expr],
            Expression::Binary { left, right, .. } => vec![*left, *right],
            Expression::Select { condition, accept, reject } => vec![*condition, *accept, *reject],
            Expression::Relational { argument, .. } => vec![*argument],
            Expression::Math { arg, arg1, arg2, arg3, .. } => {
                [Some(*arg), *arg1, *arg2, *arg3].into_iter().flatten().collect()
            }
            Expression::CallResult(_) => {
                let call = self.calls.iter().find(|(_, _, result)| *result == Some(value));
                call.map(|(_, arguments, _)| arguments.clone()).unwrap_or_default()
            }
            _ => Vec::new(),
        }
    }

    /// The variable behind a pointer, and whether the path to it goes through a struct.
    fn root(&self, module: &Module, mut pointer: Value) -> (&Expression, bool) {
        let mut through_struct = false;
        loop {
            match self.at(pointer) {
                Expression::Access { base, .. } | Expression::AccessIndex { base, .. } => {
                    let ty = self.info[*base].ty.inner_with(&module.types);
                    let of_struct = match ty.pointer_base_type() {
                        Some(base) => matches!(base.inner_with(&module.types), naga::TypeInner::Struct { .. }),
                        None => matches!(ty, naga::TypeInner::Struct { .. }),
                    };
                    through_struct |= of_struct;
                    pointer = *base;
                }
                root => return (root, through_struct),
            }
        }
    }

    /// Whether `value` is computed from `variable`.
    fn depends_on(&self, module: &Module, value: Value, variable: &Expression) -> bool {
        if let Expression::Load { pointer } = self.at(value) {
            return self.root(module, *pointer).0 == variable;
        }
        self.operands(value).into_iter().any(|operand| self.depends_on(module, operand, variable))
    }
}

struct Checker<'a> {
    module: &'a Module,
    bodies: Vec<Body<'a>>,
    /// What is assumed finite until a call or a return shows otherwise.
    unbounded_arguments: BTreeSet<(usize, u32)>,
    unbounded_results: BTreeSet<usize>,
    /// Functions that return the bits of a number that they have computed.
    results_of_computed_bits: BTreeSet<usize>,
}

impl<'a> Checker<'a> {
    fn new(module: &'a Module, info: &'a ModuleInfo) -> Self {
        let functions = module.functions.iter().map(|(handle, f)| Body::new(f, &info[handle], Some(handle)));
        let entries = module.entry_points.iter().enumerate();
        let entries = entries.map(|(index, entry)| Body::new(&entry.function, info.get_entry_point(index), None));
        let mut checker = Checker {
            module,
            bodies: functions.chain(entries).collect(),
            unbounded_arguments: BTreeSet::new(),
            unbounded_results: BTreeSet::new(),
            results_of_computed_bits: BTreeSet::new(),
        };
        while checker.learn() {}
        checker
    }

    /// Carries one more round of calls and returns; whether anything was new.
    fn learn(&mut self) -> bool {
        let (mut arguments, mut results) = (self.unbounded_arguments.clone(), self.unbounded_results.clone());
        let mut computed = self.results_of_computed_bits.clone();
        for body in &self.bodies {
            for (callee, passed, _) in &body.calls {
                let passed = passed.iter().zip(0..).filter(|(value, _)| !self.is_finite(body, **value));
                arguments.extend(passed.map(|(_, index)| (callee.index(), index)));
            }
            if let Some(handle) = body.handle {
                if body.returns.iter().any(|value| !self.is_finite(body, *value)) {
                    results.insert(handle.index());
                }
                if body.returns.iter().any(|value| self.is_computed_bits(body, *value)) {
                    computed.insert(handle.index());
                }
            }
        }
        let is_new = (arguments.len(), results.len(), computed.len())
            != (self.unbounded_arguments.len(), self.unbounded_results.len(), self.results_of_computed_bits.len());
        (self.unbounded_arguments, self.unbounded_results) = (arguments, results);
        self.results_of_computed_bits = computed;
        is_new
    }

    /// Whether `value` is finite, as far as it is a float.
    fn is_finite(&self, body: &Body<'_>, value: Value) -> bool {
        if body.kind(self.module, value) != Some(ScalarKind::Float) {
            return true;
        }
        let all_operands = || body.operands(value).into_iter().all(|operand| self.is_finite(body, operand));
        match body.at(value) {
            Expression::Load { pointer } => self.is_finite_variable(body, *pointer),
            Expression::FunctionArgument(index) => {
                let name = body.function.arguments[*index as usize].name.as_deref();
                let is_bounded_sum = body.function.name.as_deref() == Some("finish") && name == Some("sum");
                let handle = body.handle.map_or(usize::MAX, |handle| handle.index());
                is_bounded_sum || !self.unbounded_arguments.contains(&(handle, *index))
            }
            Expression::CallResult(callee) => !self.unbounded_results.contains(&callee.index()),
            Expression::SubgroupOperationResult { .. } => false,
            // Checked where it stands.
            Expression::As { convert: None, .. } => true,
            // A member of a loaded struct.
            Expression::AccessIndex { base, .. } if body.kind(self.module, *base).is_none() => true,
            _ => all_operands(),
        }
    }

    fn is_finite_variable(&self, body: &Body<'_>, pointer: Value) -> bool {
        match body.root(self.module, pointer) {
            (Expression::GlobalVariable(handle), through_struct) => {
                let variable = &self.module.global_variables[*handle];
                match variable.space {
                    AddressSpace::Uniform => true,
                    AddressSpace::Storage { .. } => {
                        through_struct || FINITE_BUFFERS.contains(&variable.name.as_deref().unwrap_or_default())
                    }
                    _ => false,
                }
            }
            (local @ Expression::LocalVariable(_), _) => {
                body.stores.iter().filter(|(to, _, _)| body.root(self.module, *to).0 == local).all(
                    |(_, value, in_loop)| {
                        let accumulates = body.depends_on(self.module, *value, local);
                        // A variable that is stored outside of loops only may depend on itself.
                        !(accumulates && *in_loop) && (accumulates || self.is_finite(body, *value))
                    },
                )
            }
            _ => false,
        }
    }

    /// Whether `value` is the bits of a number that was computed, and not of one loaded from
    /// workgroup memory.
    fn is_computed_bits(&self, body: &Body<'_>, value: Value) -> bool {
        match body.at(value) {
            Expression::As { expr, kind: ScalarKind::Uint | ScalarKind::Sint, convert: None } => {
                let Expression::Load { pointer } = body.at(*expr) else {
                    return body.kind(self.module, *expr) == Some(ScalarKind::Float);
                };
                match body.root(self.module, *pointer).0 {
                    Expression::GlobalVariable(handle) => {
                        self.module.global_variables[*handle].space != AddressSpace::WorkGroup
                    }
                    _ => true,
                }
            }
            Expression::CallResult(callee) => self.results_of_computed_bits.contains(&callee.index()),
            Expression::Load { .. } => false,
            Expression::Select { accept, reject, .. } => {
                self.is_computed_bits(body, *accept) || self.is_computed_bits(body, *reject)
            }
            Expression::Compose { .. } | Expression::Splat { .. } | Expression::Swizzle { .. } => {
                body.operands(value).into_iter().any(|operand| self.is_computed_bits(body, operand))
            }
            _ => false,
        }
    }

    fn is_zero(body: &Body<'_>, value: Value) -> bool {
        match body.at(value) {
            Expression::Literal(Literal::U32(0)) | Expression::ZeroValue(_) => true,
            Expression::Compose { .. } | Expression::Splat { .. } => {
                body.operands(value).into_iter().all(|operand| Self::is_zero(body, operand))
            }
            _ => false,
        }
    }

    /// Whether `bits` is `select(0, b, (b & …) < …)`.
    fn is_masked(body: &Body<'_>, bits: Value) -> bool {
        let Expression::Select { condition, accept, reject } = body.at(bits) else { return false };
        let Expression::Binary { op: BinaryOperator::Less | BinaryOperator::LessEqual, left, .. } = body.at(*condition)
        else {
            return false;
        };
        let Expression::Binary { op: BinaryOperator::And, left, .. } = body.at(*left) else { return false };
        left == accept && Self::is_zero(body, *reject)
    }

    /// What breaks the rules, one line each.
    fn violations(&self) -> Vec<String> {
        let mut found = Vec::new();
        for body in &self.bodies {
            let name = body.function.name.as_deref().unwrap_or("an entry point");
            let mut report = |what: &str, value: Value| {
                let span = body.function.expressions.get_span(value);
                found.push(format!("{name}: {what} at byte {:?}", span.to_range()));
            };
            for (value, expression) in body.function.expressions.iter() {
                use BinaryOperator::{Equal, Greater, GreaterEqual, Less, LessEqual, NotEqual};
                let decides = match expression {
                    Expression::Binary { op, .. } => {
                        matches!(op, Equal | NotEqual | Less | LessEqual | Greater | GreaterEqual)
                    }
                    Expression::Math { fun, .. } => {
                        use MathFunction::{Clamp, Max, Min, Saturate, Sign, SmoothStep, Step};
                        matches!(fun, Min | Max | Clamp | Saturate | Sign | Step | SmoothStep)
                    }
                    Expression::Relational { fun, .. } => {
                        use naga::RelationalFunction::{IsInf, IsNan};
                        matches!(fun, IsInf | IsNan)
                    }
                    _ => false,
                };
                let operands = body.operands(value);
                if decides && operands.iter().any(|operand| !self.is_finite(body, *operand)) {
                    report("a decision on a number that may not be finite", value);
                }
                let looks_at_bits = matches!(expression, Expression::Binary { .. } | Expression::Unary { .. })
                    || matches!(expression, Expression::Math { .. } | Expression::CallResult(_));
                if looks_at_bits && operands.iter().any(|operand| self.is_computed_bits(body, *operand)) {
                    report("a look at the bits of a computed number", value);
                }
                if let Expression::As { expr, kind: ScalarKind::Float, convert: None } = expression
                    && !Self::is_masked(body, *expr)
                {
                    report("bits that become a float unmasked", value);
                }
            }
            for value in body.decisions.iter().filter(|value| self.is_computed_bits(body, **value)) {
                report("a decision on the bits of a computed number", *value);
            }
            for (pointer, value, _) in &body.stores {
                if let (Expression::GlobalVariable(handle), _) = body.root(self.module, *pointer)
                    && matches!(self.module.global_variables[*handle].space, AddressSpace::Storage { .. })
                    && !self.is_finite(body, *value)
                {
                    report("a float stored that may not be finite", *value);
                }
            }
        }
        found
    }
}

fn violations(source: &str) -> Vec<String> {
    let module = naga::front::wgsl::parse_str(source).unwrap_or_else(|error| panic!("{error}"));
    let info = Validator::new(ValidationFlags::all(), Capabilities::SUBGROUP).validate(&module).unwrap();
    Checker::new(&module, &info).violations()
}

#[test]
fn shaders_decide_on_bits() {
    // One source has several entry points.
    let sources: HashMap<&str, &str> = ENTRY_POINTS.iter().map(|entry| (entry.source, entry.kernel)).collect();
    for (source, kernel) in sources {
        // This kernel has no input, and its chains are bounded by their choice.
        if kernel != "peak" {
            assert_eq!(violations(source), [""; 0], "{kernel}.wgsl");
        }
    }
}

/// Each rule fails for what it forbids, and only for that.
#[test]
fn what_breaks_a_rule_is_found() {
    let shader = |body: &str| {
        format!(
            "struct State {{ loss: f32 }}
             @group(0) @binding(0) var<storage, read> numbers: array<f32>;
             @group(0) @binding(1) var<storage, read> bits: array<u32>;
             @group(0) @binding(2) var<storage, read_write> out: array<u32>;
             @group(0) @binding(3) var<storage, read_write> states: array<State>;
             @group(0) @binding(4) var<storage, read> weight: array<f32>;
             var<workgroup> shared_sum: f32;
             fn masked(b: u32) -> f32 {{ return bitcast<f32>(select(0u, b, (b & 0x7fffffffu) < 0x7f800000u)); }}
             fn is_nan(x: f32) -> bool {{ return x != x; }}
             fn is_finite(x: u32) -> bool {{ return (x & 0x7fffffffu) < 0x7f800000u; }}
             fn total() -> f32 {{
                 var sum = 0.0;
                 for (var i = 0u; i < 4u; i++) {{ sum += masked(bits[i]) * weight[i]; }}
                 return sum;
             }}
             @compute @workgroup_size(1) fn main() {{ {body} }}"
        )
    };
    for allowed in [
        "out[0] = u32(is_nan(masked(bits[0])));",
        "out[0] = u32(masked(bits[0]) * weight[0] > 1.0);",
        "out[0] = bitcast<u32>(total());",
        "shared_sum = total(); workgroupBarrier(); out[0] = u32(is_finite(bitcast<u32>(shared_sum)));",
        "shared_sum = total(); workgroupBarrier(); states[0].loss = masked(bitcast<u32>(shared_sum));",
        "out[0] = u32(states[0].loss > 0.0);",
        "var x = masked(bits[0]); x = x * 2.0; out[0] = u32(x > 0.0);",
    ] {
        assert_eq!(violations(&shader(allowed)), [""; 0], "{allowed}");
    }
    for (forbidden, what) in [
        ("out[0] = u32(is_nan(numbers[0]));", "a decision on a number"),
        ("out[0] = u32(numbers[0] > 1.0);", "a decision on a number"),
        ("out[0] = bitcast<u32>(max(numbers[0], 0.0));", "a decision on a number"),
        ("out[0] = u32(total() > 1.0);", "a decision on a number"),
        ("shared_sum = total(); workgroupBarrier(); out[0] = u32(shared_sum > 1.0);", "a decision on a number"),
        ("out[0] = u32(is_finite(bitcast<u32>(total())));", "a look at the bits"),
        ("out[0] = u32((bitcast<u32>(total()) & 1u) == 1u);", "a look at the bits"),
        ("out[0] = u32(is_finite(select(1u, bitcast<u32>(masked(bits[0]) * 2.0), true)));", "a look at the bits"),
        ("out[0] = bitcast<u32>(2.0 * bitcast<f32>(bits[0]));", "bits that become a float"),
        ("out[0] = u32(bitcast<f32>(select(1u, bits[0], bits[0] < 5u)) > 1.0);", "bits that become a float"),
        ("states[0].loss = total();", "a float stored"),
    ] {
        let found = violations(&shader(forbidden));
        assert!(!found.is_empty() && found.iter().any(|line| line.contains(what)), "{forbidden}: {found:?}");
    }
}
