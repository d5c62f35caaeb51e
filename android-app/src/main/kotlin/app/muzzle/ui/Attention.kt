package app.muzzle.ui

import android.content.Context
import android.content.Intent
import app.muzzle.R
import app.muzzle.core.Core
import java.text.DateFormat
import java.util.Date

/** Something that keeps protection from working as it should. Shown only while it is true. */
data class Attention(
    /** Names it among those that the owner hid. */
    val code: String,
    val title: String,
    val text: String,
    /** Where it is put right; null where there is nothing to do any more. */
    val fix: Intent? = null,
)

/** Times without protection in the last day. */
fun gapsOf(
    context: Context,
    core: Core,
    now: Long,
): List<Attention> =
    core.gaps(now - DAY_MS).map { gap ->
        val format = DateFormat.getTimeInstance(DateFormat.SHORT)
        val end = gap.end?.let { format.format(Date(it)) } ?: context.getString(R.string.now)
        Attention(
            "gap-${gap.start}",
            context.getString(R.string.attention_gap),
            context.getString(R.string.attention_gap_text, format.format(Date(gap.start)), end),
        )
    }

const val DAY_MS = 86_400_000L
