"""Names of the same tensor on both sides: Hugging Face's module path and ggml's short name."""

from __future__ import annotations

from collections.abc import Mapping

PROJECTIONS: Mapping[str, str] = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}
"""The linear projections of a layer: what a LoRA may sit on."""

FUSED_PROJECTIONS: Mapping[str, str] = {
    "self_attn.qkv_proj": "attn_qkv",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}
"""The same where both sides keep q, k, v and gate, up fused in the same order (phi3)."""

PHI2_PROJECTIONS: Mapping[str, str] = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.dense": "attn_output",
    "mlp.fc1": "ffn_up",
    "mlp.fc2": "ffn_down",
}

STARCODER2_PROJECTIONS: Mapping[str, str] = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.c_fc": "ffn_up",
    "mlp.c_proj": "ffn_down",
}

EXAONE_PROJECTIONS: Mapping[str, str] = {
    "attn.attention.q_proj": "attn_q",
    "attn.attention.k_proj": "attn_k",
    "attn.attention.v_proj": "attn_v",
    "attn.attention.out_proj": "attn_output",
    "mlp.c_fc_0": "ffn_gate",
    "mlp.c_fc_1": "ffn_up",
    "mlp.c_proj": "ffn_down",
}

NORMS: Mapping[str, str] = {"input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm"}
QK_NORMS: Mapping[str, str] = {"self_attn.q_norm": "attn_q_norm", "self_attn.k_norm": "attn_k_norm"}
BIASED = ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj")
PERMUTED = frozenset({"self_attn.q_proj", "self_attn.k_proj"})
"""Projections whose rows are reordered where the architecture says so."""
ROTATED = ("attn_q", "attn_k")
"""ggml's names of the same."""

EMBEDDING = "token_embd.weight"
OUTPUT = "output.weight"
OUTPUT_NORM = "output_norm.weight"
ROPE_FREQS = "rope_freqs.weight"
