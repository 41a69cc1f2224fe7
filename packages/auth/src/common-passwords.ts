/**
 * What people choose when they are asked for a password, in our own words: too common however it is dressed up.
 *
 * A password is undressed first (see `password-rules.ts`): lower case, digits and signs at its ends gone, 0 read as o. What is
 * left, or what it is put together from, is looked for here. So `P4ssw0rd2026!` and `passwordpassword` are one entry.
 *
 * @module
 */

/** Words and runs that no password may consist of. */
export const COMMON_WORDS: ReadonlySet<string> = new Set(
  `
  password passwort passwd pass motdepasse contrasena senha parola wachtwoord secret geheim private default standard
  admin administrator root superuser user username guest test tester testing demo sample example temp temporary change
  changeme changeit login logon signin signup access account welcome willkommen bienvenue hello hallo letmein letme in open
  opensesame sesame enter please thankyou master server service system computer internet network router switch firewall
  database backup office company corporate corp intern internal private public security secure safe trust certificate
  authority countersign production prod staging develop developer
  qwerty qwertz azerty qwertyuiop qwertzuiop azertyuiop asdf asdfgh asdfghjkl zxcvbn zxcvbnm yxcvbnm qazwsx qazwsxedc
  qweasd qweasdzxc wasd poiuytrewq lkjhgfdsa mnbvcxz abc abcd abcde abcdef abcdefg abcdefgh abcdefghijklmnopqrstuvwxyz
  aaa iloveyou loveyou love lovely lover sweetheart darling honey baby babygirl angel princess prince queen king sunshine
  sunflower flower butterfly rainbow summer winter autumn spring january february march april may june july august september
  october november december monday tuesday wednesday thursday friday saturday sunday sommer herbst fruehling
  dragon monkey tiger lion eagle falcon phoenix panther shark wolf bear horse dog cat kitty puppy chicken turtle dolphin
  football soccer baseball basketball hockey tennis golf cricket rugby boxing racing liverpool chelsea arsenal barcelona
  juventus madrid bayern dortmund superman batman spiderman ironman starwars startrek matrix pokemon minecraft fortnite
  nintendo playstation xbox gandalf merlin hobbit wizard warrior ninja samurai pirate viking knight hunter killer shadow
  thunder lightning storm fire ice water earth star moon sun sky heaven hell freedom peace hope faith grace jesus christ god
  blessed lucky happy smile friend friends family mother father brother sister mama papa daddy mommy
  michael jordan jennifer jessica ashley amanda daniel thomas robert andrew matthew joshua william james john david george
  charlie jack harry oliver sophie anna maria laura julia nicole michelle alice bob carlos martin peter alex alexander max
  london paris berlin madrid rome vienna america england germany france italy spain canada mexico brazil india china japan
  chocolate coffee cookie cheese banana orange apple cherry pepper ginger sugar pizza whiskey vodka guinness
  ferrari porsche mercedes mustang corvette harley yamaha honda toyota bmw audi tesla
  google facebook amazon apple microsoft windows linux ubuntu debian samsung iphone android twitter instagram linkedin
  diamond silver gold golden purple yellow orange green blue black white red pink
  whatever nothing something anything forever trustno nopassword mypassword thepassword yourpassword newpassword oldpassword
  my the your new old our this that is
  `
    .trim()
    .split(/\s+/u),
)
