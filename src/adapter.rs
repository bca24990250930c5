//! Description of a graphics adapter, as `unrelu devices` prints it: plain data, also in a build
//! without GPU support. The rule that chooses among several is here, too.

use crate::named::unknown;

/// A graphics API. The same card may be reached by several.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::Display, strum::EnumString, strum::VariantNames)]
#[strum(serialize_all = "lowercase", parse_err_ty = String, parse_err_fn = unknown::<Self>)]
#[non_exhaustive]
pub enum Backend {
    /// Vulkan: Linux, Windows, Android.
    Vulkan,
    /// Direct3D 12: Windows.
    Dx12,
    /// Metal: macOS.
    Metal,
}

/// A graphics adapter as its driver describes it.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
#[non_exhaustive]
pub struct AdapterDescription {
    /// The adapter's name; the option `adapter` accepts any part of it and ignores case.
    pub name: String,
    /// `vulkan`, `metal` or `dx12`.
    pub backend: String,
    /// `discrete GPU`, `integrated GPU`, `virtual GPU`, `software` or `unknown`.
    pub kind: String,
    /// The driver's name and version.
    pub driver: String,
    /// Whether it is real hardware, which `DeviceChoice::Auto` requires.
    pub hardware: bool,
    /// Maximum number of bytes of one storage binding.
    pub max_binding_bytes: u64,
    /// Maximum number of bytes of one buffer.
    pub max_buffer_bytes: u64,
    /// Maximum number of workgroups in one dimension of a dispatch.
    pub max_workgroups: u32,
    /// Maximum number of invocations in a workgroup.
    pub max_invocations: u32,
    /// Bytes of shared memory per workgroup.
    pub workgroup_bytes: u32,
    /// Whether shaders can use f64.
    pub f64: bool,
    /// Whether shaders can use subgroup operations.
    pub subgroups: bool,
    /// Whether kernels can be timed on the device.
    pub timestamps: bool,
}

/// The candidate adapters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Selection<'a> {
    /// The kinds of adapters.
    pub kinds: Kinds,
    /// A part of the name, ignoring case.
    pub name: Option<&'a str>,
    /// The graphics API.
    pub backend: Option<Backend>,
}

/// Kinds of adapters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Kinds {
    /// Discrete, virtual and integrated GPUs.
    Hardware,
    /// Software rasterizers, too.
    #[default]
    Any,
}

impl Selection<'_> {
    /// The place of the best adapter; `None` if none matches. Hardware comes before software, a
    /// discrete GPU before an integrated one, and among equal ones an adapter with subgroup
    /// operations; otherwise the driver's order counts.
    pub fn choose(&self, adapters: &[AdapterDescription]) -> Option<usize> {
        let matching = (0..adapters.len()).filter(|place| self.admits(&adapters[*place]));
        // The first of several minima.
        matching.min_by_key(|place| (adapters[*place].rank(), !adapters[*place].subgroups))
    }

    fn admits(&self, adapter: &AdapterDescription) -> bool {
        let kind = match self.kinds {
            Kinds::Hardware => adapter.hardware,
            Kinds::Any => true,
        };
        let name = self.name.is_none_or(|part| adapter.name.to_lowercase().contains(&part.to_lowercase()));
        kind && name && self.backend.is_none_or(|backend| adapter.backend == backend.to_string())
    }
}

/// [`AdapterDescription::kind`] of a discrete GPU.
const DISCRETE: &str = "discrete GPU";
/// [`AdapterDescription::kind`] of a virtual GPU.
const VIRTUAL: &str = "virtual GPU";
/// [`AdapterDescription::kind`] of an integrated GPU.
pub(crate) const INTEGRATED: &str = "integrated GPU";

impl AdapterDescription {
    /// Whether it is a card, which has processors and memory of its own; also one that a virtual
    /// machine sees.
    #[cfg(feature = "gpu")]
    pub(crate) fn is_card(&self) -> bool {
        matches!(self.kind.as_str(), DISCRETE | VIRTUAL)
    }

    fn rank(&self) -> u8 {
        match self.kind.as_str() {
            DISCRETE => 0,
            INTEGRATED => 1,
            VIRTUAL => 2,
            "unknown" => 3,
            _ => 4,
        }
    }
}

/// What the user should know about subgroup operations on Direct3D 12, in one line. Without
/// Microsoft's shader compiler, `dxcompiler.dll`, an adapter has none there.
pub(crate) fn about_subgroups(chosen: &AdapterDescription, adapters: &[AdapterDescription]) -> Option<String> {
    let lacks = |adapter: &AdapterDescription| adapter.backend == Backend::Dx12.to_string() && !adapter.subgroups;
    let name = &chosen.name;
    if lacks(chosen) {
        return Some(format!(
            "{name} has no subgroup operations with dx12: put `dxcompiler.dll` beside the program, or install the \
             card's Vulkan driver"
        ));
    }
    let instead = adapters.iter().any(|other| lacks(other) && other.name == chosen.name);
    (instead && chosen.backend == Backend::Vulkan.to_string() && chosen.subgroups).then(|| {
        format!(
            "using {name} with vulkan: dx12 has no subgroup operations, probably because `dxcompiler.dll` is missing"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn adapter(name: &str, backend: &str, kind: &str, subgroups: bool) -> AdapterDescription {
        AdapterDescription {
            name: name.into(),
            backend: backend.into(),
            kind: kind.into(),
            driver: String::new(),
            hardware: kind.ends_with("GPU"),
            max_binding_bytes: 1 << 30,
            max_buffer_bytes: 1 << 30,
            max_workgroups: 65535,
            max_invocations: 256,
            workgroup_bytes: 32768,
            f64: false,
            subgroups,
            timestamps: true,
        }
    }

    fn machine() -> Vec<AdapterDescription> {
        vec![
            adapter("llvmpipe", "vulkan", "software", true),
            adapter("UHD 770", "vulkan", "integrated GPU", true),
            adapter("RTX 4070", "dx12", "discrete GPU", false),
            adapter("RTX 4070", "vulkan", "discrete GPU", true),
        ]
    }

    #[test]
    fn the_best_adapter_that_matches_is_chosen() {
        let all = machine();
        let choose = |kinds, name, backend| Selection { kinds, name, backend }.choose(&all);
        assert_eq!(choose(Kinds::Any, None, None), Some(3));
        assert_eq!(choose(Kinds::Hardware, None, Some(Backend::Dx12)), Some(2));
        assert_eq!(choose(Kinds::Any, Some("uhd"), None), Some(1));
        assert_eq!(choose(Kinds::Any, Some("LLVM"), Some(Backend::Vulkan)), Some(0));
        assert_eq!(choose(Kinds::Any, Some("llvm"), Some(Backend::Metal)), None);
        assert_eq!(choose(Kinds::Hardware, Some("llvm"), None), None);
        let hardware = Selection { kinds: Kinds::Hardware, ..Selection::default() };
        assert_eq!(hardware.choose(&all[..2]), Some(1));
        assert_eq!(hardware.choose(&all[..1]), None);
        assert_eq!(Selection { kinds: Kinds::Any, ..hardware }.choose(&all[..1]), Some(0));
        assert_eq!(hardware.choose(&[]), None);
    }

    #[test]
    fn missing_subgroups_are_said() {
        let all = machine();
        assert!(about_subgroups(&all[2], &all).unwrap().contains("put `dxcompiler.dll` beside the program"));
        assert!(about_subgroups(&all[3], &all).unwrap().starts_with("using RTX 4070 with vulkan: dx12 has no"));
        for (chosen, all) in [(&all[1], &all[..2]), (&all[0], &all[..]), (&all[3], &all[3..])] {
            assert_eq!(about_subgroups(chosen, all), None);
        }
        let with_compiler = adapter("RTX 4070", "dx12", "discrete GPU", true);
        assert_eq!(about_subgroups(&with_compiler, std::slice::from_ref(&with_compiler)), None);
    }

    #[test]
    fn backends_are_read_as_they_are_written() {
        for backend in [Backend::Vulkan, Backend::Dx12, Backend::Metal] {
            assert_eq!(backend.to_string().parse(), Ok(backend));
        }
        assert_eq!("cuda".parse::<Backend>().unwrap_err(), "found `cuda`, expected vulkan, dx12 or metal");
    }
}
