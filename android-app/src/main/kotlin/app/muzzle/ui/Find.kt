package app.muzzle.ui

import android.app.Activity
import android.view.View

/** The view of this id; it is in the layout, or the layout is wrong. */
fun <T : View> View.find(id: Int): T = checkNotNull(findViewById<T>(id))

fun <T : View> Activity.find(id: Int): T = checkNotNull(findViewById<T>(id))
