package app.muzzle.ui

import android.content.Context
import android.content.res.Configuration
import android.graphics.Color
import app.muzzle.R
import org.junit.Assert.assertEquals
import org.junit.Test
import org.junit.runner.RunWith
import org.robolectric.RobolectricTestRunner
import org.robolectric.RuntimeEnvironment

/** Every colour of text and signs on all that may be behind it, light and dark. */
@RunWith(RobolectricTestRunner::class)
class ColorsTest {
    private val texts =
        mapOf(
            "text" to R.color.text,
            "text_dim" to R.color.text_dim,
            "accent" to R.color.accent,
            "stopped" to R.color.stopped,
            "readable" to R.color.readable,
            "encrypted" to R.color.encrypted,
            "unprotected" to R.color.unprotected,
        )
    private val behind = mapOf("surface" to R.color.surface, "card" to R.color.card)

    @Test
    fun light() = assertEquals(emptyList<String>(), faults(Configuration.UI_MODE_NIGHT_NO))

    @Test
    fun dark() = assertEquals(emptyList<String>(), faults(Configuration.UI_MODE_NIGHT_YES))

    private fun faults(night: Int): List<String> {
        val context = inMode(night)
        val pairs = texts.flatMap { (name, text) -> behind.map { (under, ground) -> Triple("$name on $under", text, ground) } }
        val reversed =
            listOf(Triple("a chosen chip", R.color.on_accent, R.color.accent), Triple("the undo bar", R.color.surface, R.color.text))
        val plain = (pairs + reversed).map { (name, text, ground) -> name to contrast(context.getColor(text), context.getColor(ground)) }
        val pressed = texts.map { (name, text) -> "$name, selected" to contrast(context.getColor(text), selected(context)) }
        return (plain + pressed.filter { it.first == "text, selected" || it.first == "text_dim, selected" })
            .filter { it.second < 4.5 }
            .map { (name, ratio) -> "$name: %.2f".format(ratio) }
    }

    /** A row that was chosen by a long press. */
    private fun selected(context: Context): Int {
        val veil = context.getColor(R.color.pressed)
        val ground = context.getColor(R.color.surface)
        val share = Color.alpha(veil) / 255f

        fun mix(part: (Int) -> Int) = (part(veil) * share + part(ground) * (1 - share)).toInt()
        return Color.rgb(mix(Color::red), mix(Color::green), mix(Color::blue))
    }

    private fun inMode(night: Int): Context {
        val app = RuntimeEnvironment.getApplication()
        val configuration = Configuration(app.resources.configuration)
        configuration.uiMode = configuration.uiMode and Configuration.UI_MODE_NIGHT_MASK.inv() or night
        return app.createConfigurationContext(configuration)
    }
}
