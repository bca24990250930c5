"""Operations that move, repeat or drop entries, and creations of constants."""

MOVEMENTS = frozenset(
    """
    alias alpha_dropout atleast_1d atleast_2d atleast_3d broadcast_to channel_shuffle chunk clone
    contiguous detach detach_copy dropout expand expand_as expand_copy feature_alpha_dropout
    feature_dropout flatten flip fliplr flipud index index_select lift_fresh lift_fresh_copy
    movedim moveaxis narrow narrow_copy permute permute_copy pixel_shuffle pixel_unshuffle
    reflection_pad1d reflection_pad2d repeat repeat_interleave replication_pad1d
    replication_pad2d reshape reshape_as roll rot90 select select_copy slice slice_copy split
    split_with_sizes split_copy split_with_sizes_copy squeeze squeeze_copy swapaxes swapdims t
    tensor_split tile transpose transpose_copy unbind unflatten unsafe_chunk unsafe_split
    unsafe_split_with_sizes unsqueeze unsqueeze_copy upsample_nearest1d upsample_nearest2d
    upsample_nearest3d view view_as view_copy _unsafe_view _reshape_alias
    """.split()
)

# A change of type or device, which the reading in float64 on the CPU leaves out.
CASTS = frozenset("to _to_copy type_as".split())

# Constants that take no more than the shape of the value they are given.
CREATIONS = frozenset("zeros_like ones_like full_like new_zeros new_ones new_full".split())

# Linear in the one argument that depends on the codes, without a constant term.
LINEAR = frozenset(
    """
    adaptive_avg_pool1d adaptive_avg_pool2d avg_pool1d avg_pool2d avg_pool3d bmm cumsum diff
    einsum inner matmul mean mm sum tensordot upsample_bicubic2d upsample_bilinear2d
    upsample_linear1d _adaptive_avg_pool2d
    """.split()
)

# Checks that hold no data.
CHECKS = frozenset(
    "_assert_tensor_metadata _assert_scalar sym_constrain_range sym_constrain_range_for_size".split()
)
