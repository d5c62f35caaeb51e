package android.miui

import android.content.Context

/** What MIUI and HyperOS have: 0 where an app may start by itself, 1 where not. */
object AppOpsUtils {
    /** Null as on a version that does not tell. */
    var mode: Int? = null

    @JvmStatic
    fun getApplicationAutoStart(
        context: Context,
        packageName: String,
    ): Int = checkNotNull(mode) { "$packageName of $context" }
}
