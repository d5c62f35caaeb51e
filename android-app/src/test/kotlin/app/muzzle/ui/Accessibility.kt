package app.muzzle.ui

import android.app.Activity
import android.graphics.Bitmap
import android.graphics.Canvas
import android.graphics.Color
import android.graphics.Rect
import android.view.View
import android.view.ViewGroup
import android.widget.EditText
import android.widget.ListView
import android.widget.ScrollView
import android.widget.TextView
import org.junit.Assert.assertEquals
import kotlin.math.ceil
import kotlin.math.max
import kotlin.math.min
import kotlin.math.pow

/**
 * Whether everybody can use a screen as it is laid out now: each control has a name and is 48 dp or
 * larger, and each text stands out from what is behind it by 4.5 (3 where it is large).
 */
fun assertAccessible(activity: Activity) = assertEquals("faults of access", emptyList<String>(), accessFaults(activity))

fun accessFaults(activity: Activity): List<String> {
    val seen = shown(activity.window.decorView).toList()
    return seen.filter { it.isClickable && it.isEnabled }.mapNotNull(::controlFault) + seen.mapNotNull(::contrastFault)
}

/** The same from the top of a screen to its end. Of a long list a few screens, as its rows are of a few kinds. */
fun accessFaultsThroughout(
    activity: Activity,
    settle: () -> Unit,
): List<String> {
    val faults = accessFaults(activity).toMutableSet()
    when (val view = shown(activity.window.decorView).firstOrNull { it is ScrollView || it is ListView }) {
        is ScrollView -> {
            while (view.canScrollVertically(1)) {
                view.scrollBy(0, view.height / 2)
                settle()
                faults += accessFaults(activity)
            }
            view.scrollTo(0, 0)
        }
        is ListView -> {
            repeat(LIST_SCREENS) {
                view.setSelection(view.lastVisiblePosition)
                settle()
                faults += accessFaults(activity)
            }
            view.setSelection(0)
        }
    }
    settle()
    return faults.toList()
}

private fun shown(view: View): Sequence<View> =
    sequence {
        if (view.visibility != View.VISIBLE) return@sequence
        yield(view)
        if (view is ViewGroup) for (n in 0 until view.childCount) yieldAll(shown(view.getChildAt(n)!!))
    }

private fun controlFault(view: View): String? {
    val density = view.resources.displayMetrics.density
    val least = ceil(TOUCH_DP * density).toInt()
    val name = nameOf(view)
    val visible = Rect()
    return when {
        // Scrolled away, or cut off by the edge of a list.
        !view.getGlobalVisibleRect(visible) || visible.height() < view.height || visible.width() < view.width -> null
        name.isBlank() -> "no name: $view"
        view.width < least || view.height < least -> "\"$name\" is ${view.width / density} x ${view.height / density} dp"
        else -> null
    }
}

private fun nameOf(view: View): String {
    val own =
        when {
            view.contentDescription != null -> view.contentDescription.toString()
            view is EditText -> view.hint?.toString().orEmpty()
            view is TextView -> view.text.toString()
            else -> ""
        }
    if (own.isNotBlank() || view !is ViewGroup) return own
    return shown(view).drop(1).filter { !it.isClickable }.joinToString(" ") { nameOf(it) }.trim()
}

private fun contrastFault(view: View): String? {
    if (view !is TextView || !view.isEnabled || view.width == 0) return null
    val words = view.text.toString().ifBlank { view.hint?.toString().orEmpty() }
    val color = if (view.text.isBlank()) view.currentHintTextColor else view.currentTextColor
    val behind = colorBehind(view)
    val ratio = contrast(over(color, behind), behind)
    val scaled = view.resources.displayMetrics.density * view.resources.configuration.fontScale
    val needed = if (view.textSize / scaled >= LARGE_SP) LARGE_CONTRAST else CONTRAST
    return if (words.isBlank() || ratio >= needed) null else "\"$words\" has a contrast of %.2f".format(ratio)
}

/** What is painted in the middle of the view, under its text. */
private fun colorBehind(view: View): Int {
    val chain = generateSequence(view) { it.parent as? View }.toList().asReversed()
    return chain.fold(Color.WHITE) { below, each -> over(painted(each), below) }
}

private fun painted(view: View): Int {
    val background = view.background
    if (background == null || view.width == 0 || view.height == 0) return Color.TRANSPARENT
    // A view that was not drawn yet, further down, has not told its background how large it is.
    background.setBounds(0, 0, view.width, view.height)
    val middle = Bitmap.createBitmap(1, 1, Bitmap.Config.ARGB_8888)
    val canvas = Canvas(middle)
    canvas.translate(-view.width / 2f, -view.height / 2f)
    background.draw(canvas)
    return middle.getPixel(0, 0).also { middle.recycle() }
}

private fun over(
    top: Int,
    below: Int,
): Int {
    val alpha = Color.alpha(top) / MAX

    fun mix(part: (Int) -> Int) = (part(top) * alpha + part(below) * (1 - alpha)).toInt()
    return Color.rgb(mix(Color::red), mix(Color::green), mix(Color::blue))
}

/** Of WCAG 2.1: 1 to 21. */
fun contrast(
    one: Int,
    other: Int,
): Double {
    val a = luminance(one)
    val b = luminance(other)
    return (max(a, b) + GLARE) / (min(a, b) + GLARE)
}

private fun luminance(color: Int): Double {
    fun linear(part: Int): Double {
        val share = part / MAX.toDouble()
        return if (share <= 0.03928) share / 12.92 else ((share + 0.055) / 1.055).pow(2.4)
    }
    return 0.2126 * linear(Color.red(color)) + 0.7152 * linear(Color.green(color)) + 0.0722 * linear(Color.blue(color))
}

private const val LIST_SCREENS = 4
private const val TOUCH_DP = 48
private const val LARGE_SP = 24
private const val CONTRAST = 4.5
private const val LARGE_CONTRAST = 3.0
private const val GLARE = 0.05
private const val MAX = 255f
